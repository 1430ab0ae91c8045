"""`rli-agent exec`: how the trainer ends is how the run ends, also where no line of its log says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from agent_process import Command, query
from prime_rl_logs import step_line
from receivers import HttpReceiver, until

from rli_agent.cli import main

#: Prints steps 1 to 8, then does what its argument says.
TRAINER = """
import os, sys, time
print(open(sys.argv[1]).read(), end="", flush=True)
exec(sys.argv[2])
"""
WAITS = "time.sleep(60)"


def run(tmp_path: Path, end: str, env: dict[str, str] | None = None, lines: str = "") -> Command:
    steps = tmp_path / "steps.txt"
    steps.write_text("".join(step_line(n, time.time() - 10 + n) for n in range(1, 9)) + lines)
    trainer = (sys.executable, "-c", TRAINER, steps, end)
    return Command(
        tmp_path, "exec", "--listen", "none", "--state-dir", tmp_path / "state", "--log", tmp_path / "run/console.log",
        "--", *trainer, env=env,
    )  # fmt: skip


def life(tmp_path: Path) -> list[tuple[str]]:
    return query(tmp_path, "SELECT json_extract(value, '$.life') FROM knowledge WHERE name = 'life'")


def told(tmp_path: Path) -> list[str]:
    return [kind for (kind,) in query(tmp_path, "SELECT kind FROM messages ORDER BY id")]


@pytest.mark.real
@pytest.mark.parametrize(
    ("end", "code", "said", "word"),
    [
        ("sys.exit(3)", 3, "ended with exit status 3", "failed"),
        ("os.kill(os.getpid(), 9)", 137, "was killed by signal 9", "failed"),
        ("sys.exit(0)", 0, "ended with exit status 0", "finished"),
    ],
)
def test_the_exit_status_ends_the_run_and_is_told(end: str, code: int, said: str, word: str, tmp_path: Path) -> None:
    with closing(HttpReceiver()) as receiver:
        agent = run(tmp_path, end, receiver.variables)
        try:
            assert agent.process.wait(30.0) == code
        finally:
            agent.kill()
        sent = b"\n".join(request.body for request in receiver.taken).decode()
    assert agent.output.splitlines()[-1].endswith(f"{word}: {Path(sys.executable).name} {said} at step 8")
    assert life(tmp_path) == [(word,)]
    assert told(tmp_path) == ["started", word]
    assert f"{word} at step 8" in sent
    if word == "failed":
        assert said in sent


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_passes_on_a_signal_to_end_has_cancelled_the_run(number: signal.Signals, tmp_path: Path) -> None:
    agent = run(tmp_path, WAITS)
    try:
        until(lambda: query(tmp_path, "SELECT 1 FROM samples WHERE step = 8"), "steps in the store")
        agent.process.send_signal(number)
        assert agent.process.wait(30.0) == 128 + number
    finally:
        agent.kill()
    assert agent.output.splitlines()[-1].endswith(f"was killed by signal {number:d} at step 8")
    assert life(tmp_path) == [("cancelled",)]
    assert told(tmp_path) == ["started", "cancelled"]


@pytest.mark.real
def test_a_log_that_tells_of_success_does_not_outweigh_the_exit_status(tmp_path: Path) -> None:
    agent = run(tmp_path, "sys.exit(3)", lines="12:00:00 SUCCESS RL training finished!\n")
    assert agent.process.wait(30.0) == 3
    assert life(tmp_path) == [("failed",)]


@pytest.mark.real
def test_a_second_start_that_fails_before_its_first_step_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for _ in range(2):
        Command(
            tmp_path, "exec", "--listen", "none", "--state-dir", tmp_path / "state", "--output-dir", tmp_path / "out",
            "--", "sh", "-c", "exit 3", wait=True,
        )  # fmt: skip
    assert told(tmp_path) == ["failed", "failed", "failed"]  # the second of them closes the first incident
    assert life(tmp_path) == [("failed",)]


@pytest.mark.real
def test_status_says_who_saw_the_outcome_since_no_line_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    Command(tmp_path, "exec", "--listen", "none", "--state-dir", state, "--", "sh", "-c", "exit 3", wait=True)
    assert main(["status", "--state-dir", str(state)]) == 2
    assert "sh ended with exit status 3 (seen by the agent, " in capsys.readouterr().out


@pytest.mark.real
def test_the_last_line_on_a_terminal_says_how_it_ended(tmp_path: Path) -> None:
    command = f"{sys.executable} -m rli_agent exec --listen none --state-dir {tmp_path}/state -- sh -c 'exit 3'"
    done = subprocess.run(
        [sys.executable, "-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
         "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1] == "failed: sh ended with exit status 3 before the first step"
