"""`rli-agent exec`: the trainer's exit code, signals and output pass through, and it outlives the agent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent_process import Command, query
from prime_rl_logs import step_line
from receivers import until

from rli_agent.cli import main

#: Prints steps until a file appears, then ends with code 7; says which signals come.
TRAINER = """
import os, signal, sys, time
def told(number, frame):
    print("signal", number, flush=True)
    if number == signal.SIGTERM: sys.exit(9)
signal.signal(signal.SIGINT, told); signal.signal(signal.SIGTERM, told); signal.signal(signal.SIGUSR1, told)
lines = open(sys.argv[1]).readlines()
n = 0
print("pid", os.getpid(), flush=True)
while not os.path.exists(sys.argv[2]):
    print(lines[n % len(lines)], end="", flush=True)
    n += 1
    time.sleep(0.02)
sys.exit(7)
"""


@pytest.fixture
def trainer(tmp_path: Path) -> list[str]:
    steps = tmp_path / "steps.txt"
    steps.write_text("".join(step_line(n, time.time() + n) for n in range(1, 2000)))
    return [sys.executable, "-c", TRAINER, str(steps), str(tmp_path / "end")]


def run(tmp_path: Path, *arguments: str) -> Command:
    return Command(tmp_path, "exec", "--listen", "none", "--state-dir", tmp_path / "state", *arguments)


@pytest.mark.real
def test_output_signals_and_the_exit_code_pass_through(tmp_path: Path, trainer: list[str]) -> None:
    agent = run(tmp_path, "--log", str(tmp_path / "run" / "console.log"), "--", *trainer)
    try:
        until(lambda: query(tmp_path, "SELECT 1 FROM samples WHERE step >= 3"), "steps in the store")
        agent.process.send_signal(signal.SIGUSR1)
        until(lambda: f"signal {signal.SIGUSR1:d}" in agent.output, "the first signal")
        agent.process.send_signal(signal.SIGINT)
        until(lambda: f"signal {signal.SIGINT:d}" in agent.output, "the second one")
        assert agent.process.poll() is None
        (tmp_path / "end").touch()
        assert agent.process.wait(30.0) == 7
    finally:
        agent.kill()
    log = (tmp_path / "run/console.log").read_text()
    assert all(line in agent.output for line in log.splitlines())


@pytest.mark.real
def test_the_trainer_outlives_a_killed_agent(tmp_path: Path, trainer: list[str]) -> None:
    log = tmp_path / "run/console.log"
    agent = run(tmp_path, "--log", str(log), "--", *trainer)
    until(lambda: log.exists() and b"Step 3 " in log.read_bytes(), "output")
    agent.kill()
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size + 1000, "more output")
    pid = int(log.read_text().split()[1])
    (tmp_path / "end").touch()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")


@pytest.mark.real
def test_a_watch_that_fails_does_not_end_the_trainer(tmp_path: Path, trainer: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        log = tmp_path / "run/console.log"
        more = ("--listen", listen, "--state-dir", tmp_path / "state", "--log", log)
        agent = Command(tmp_path, "exec", *more, "--", *trainer)
        try:
            until(lambda: "the run is not watched" in agent.output, "the complaint")
            until(lambda: "Step 50 " in agent.output, "the trainer's output")
            (tmp_path / "end").touch()
            assert agent.process.wait(30.0) == 7
        finally:
            agent.kill()


@pytest.mark.real
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137)])
def test_exit_codes(script: str, code: int, tmp_path: Path) -> None:
    agent = run(tmp_path, "--", "sh", "-c", f"echo hello; {script}")
    assert agent.process.wait(30.0) == code
    assert "hello\n" in agent.output
    (log,) = tmp_path.glob("state/exec/sh-*/console.log")
    assert log.read_text() == "hello\n"


def test_what_cannot_be_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a.log"
    assert main(["exec", "--log", str(log), "--", "no-such-program", "--flag"]) == 2
    assert "no-such-program cannot be started" in capsys.readouterr().err
    assert not log.exists()
    log.write_text("of another run")
    assert main(["exec", "--log", str(log), "--", "true"]) == 2
    assert "File exists" in capsys.readouterr().err
    assert log.read_text() == "of another run"
    assert subprocess.run([sys.executable, "-m", "rli_agent", "exec"], capture_output=True).returncode == 2
