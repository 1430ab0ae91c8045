"""The run on a terminal: `rli-agent top`, and `watch` where it is started on one."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import Command
from emulator import Terminal
from prime_rl_logs import stamp, step_line, write_run
from receivers import until

from rli_agent.cli import main

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Terminal] = []

    def run(command: str, *arguments: object, **more: object) -> Terminal:
        state = ("--state-dir", tmp_path / "state")
        started.append(Terminal(command, *arguments, *state, **more))  # type: ignore[arg-type]
        return started[-1]

    yield run
    for terminal in started:
        terminal.close()


def say(run: Path, line: str) -> None:
    with (run / "logs/trainer.log").open("a") as log:
        log.write(line)


@pytest.mark.real
@pytest.mark.parametrize("command", [("top",), ("watch", "--listen", "none")])
def test_the_answer_stands_first_and_goes_with_the_run(command: tuple[str, ...], start: Start, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    terminal = start(*command, run)
    terminal.shows("step 30 of 100")
    assert terminal.lines[0].startswith("Healthy: step 30 of 100")
    assert re.search(r"^reward +0\.4 +[▁▂▃▄▅▆▇█]{10,}", terminal.text, re.M)
    assert "orchestrator: rollout for" in terminal.text
    say(run, step_line(31, time.time()))
    terminal.until(lambda: terminal.lines[0].startswith("Healthy: step 31 of 100"), "step 31")
    terminal.press_ctrl_c()
    assert terminal.ends() == 0
    assert terminal.as_before
    assert b"Healthy" in terminal.raw.rpartition(b"\x1b[?1049l")[2], "the last answer stays"


@pytest.mark.real
def test_open_states_grow(start: Start, tmp_path: Path) -> None:
    terminal = start("top", write_run(tmp_path / "run"))
    seen: set[str] = set()

    def grew() -> bool:
        found = re.search(r"orchestrator: rollout for (\S+ \S+)", terminal.text)
        seen.update(found.groups() if found else ())
        return len(seen) >= 3

    terminal.until(grew, "three durations")


@pytest.mark.real
def test_top_shows_the_store_of_the_agent_that_watches(start: Start, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    agent = Command(tmp_path, "watch", run, "--listen", "none", "--state-dir", tmp_path / "state")
    try:
        until(lambda: "step 30" in agent.output, "the agent has read")
        terminal = start("top")
        terminal.shows("step 30 of 100")
        assert "nobody watches" not in terminal.text
        say(run, step_line(31, time.time()))
        terminal.shows("step 31 of 100")
        agent.kill()
        terminal.shows("nobody watches")
    finally:
        agent.kill()
    terminal.press_ctrl_c()
    assert terminal.ends() == 0


@pytest.mark.real
def test_top_leaves_nothing_behind_and_tells_nobody(start: Start, tmp_path: Path) -> None:
    run, scratch = write_run(tmp_path / "run", ago=4 * 3600.0), tmp_path / "scratch"
    scratch.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as webhook:
        webhook.setblocking(False)
        url = f"http://127.0.0.1:{webhook.getsockname()[1]}/"
        terminal = start("top", run, env={"TMPDIR": str(scratch), "RLI_AGENT_WEBHOOK": url})
        terminal.shows("step 30 of 100")
        terminal.press_ctrl_c()
        assert terminal.ends() == 0
        with pytest.raises(BlockingIOError):
            webhook.accept()
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "state").exists()


@pytest.mark.real
def test_control_sequences_of_logs_reach_no_terminal(start: Start, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    terminal = start("top", run)
    terminal.shows("step 30 of 100")
    hostile = "\x1b]0;owned\x07\x1b[2J\x1b[1;1Hgone\x9b31m\x9d0;owned\x9c \u202egnp.exe"
    say(run, f"[trainer0]:{stamp(time.time())}   ERROR RuntimeError: NCCL error {hostile}\n")
    terminal.shows("gnp.exe")
    assert terminal.lines[0].startswith("Degraded: step 30 of 100")
    for sequence in (b"\x1b]", b"\x07", b"\x1b[2J", "\x9b".encode(), "\x9d".encode(), "\u202e".encode()):
        assert sequence not in terminal.raw


@pytest.mark.real
def test_a_terminal_that_changes_its_size(start: Start, tmp_path: Path) -> None:
    terminal = start("watch", "--listen", "none", write_run(tmp_path / "run"))
    terminal.shows("step 30 of 100")
    terminal.resize(10, 50)
    terminal.until(lambda: terminal.lines[0].startswith("Healthy") and "ETA" in terminal.text, "the small frame")
    assert "gradient norm" not in terminal.text
    terminal.resize(40, 120)
    terminal.shows("gradient norm")
    terminal.press_ctrl_c()
    assert terminal.ends() == 0
    assert terminal.as_before


@pytest.mark.real
@pytest.mark.parametrize(("lines", "columns"), [(1, 10), (3, 20), (6, 300), (200, 40)])
def test_terminals_of_any_size_show_the_answer(lines: int, columns: int, start: Start, tmp_path: Path) -> None:
    terminal = start("top", write_run(tmp_path / "run"), lines=lines, columns=columns)
    terminal.shows("Healthy")
    assert terminal.lines[0].startswith("Healthy")


@pytest.mark.real
@pytest.mark.parametrize("columns", [80, 50])
def test_the_page_s_address_is_never_cut(columns: int, start: Start, tmp_path: Path) -> None:
    terminal = start("watch", "--listen", "127.0.0.1:0", write_run(tmp_path / "run"), lines=40, columns=columns)
    terminal.shows("token=")
    token = (tmp_path / "state" / "page-token").read_text().strip()
    assert f"?token={token}" in "".join(line.strip() for line in terminal.lines)
    assert "ssh -L" in terminal.text


@pytest.mark.real
def test_no_colour_where_none_is_wanted(start: Start, tmp_path: Path) -> None:
    terminal = start("top", write_run(tmp_path / "run"), env={"NO_COLOR": "1"})
    terminal.shows("gradient norm")
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", terminal.raw)


@pytest.mark.real
def test_a_terminal_that_knows_no_unicode(start: Start, tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    terminal = start("top", write_run(tmp_path / "run"), env=env)
    terminal.shows("gradient norm")
    assert terminal.raw.isascii()


@pytest.mark.real
@pytest.mark.parametrize("how", [{"TERM": "dumb"}, {"RLI_AGENT_PLAIN": "true"}])
def test_lines_instead_of_a_drawing(how: dict[str, str], start: Start, tmp_path: Path) -> None:
    terminal = start("watch", "--listen", "none", write_run(tmp_path / "run"), env=how, columns=200)
    terminal.shows("\nstep 30 of 100")
    assert b"\x1b" not in terminal.raw
    terminal.press_ctrl_c()
    assert terminal.ends() == 0


@pytest.mark.real
def test_an_error_is_to_be_read_after_the_drawing(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        terminal = start("watch", "--listen", listen, write_run(tmp_path / "run"), columns=200)
        assert terminal.ends() == 2
    assert terminal.as_before
    assert listen.encode() in terminal.raw.rpartition(b"\x1b[?1049l")[2]


@pytest.mark.real
def test_a_slow_nvidia_smi_holds_neither_the_first_frame_nor_the_later_ones_up(start: Start, tmp_path: Path) -> None:
    slow = tmp_path / "bin/nvidia-smi"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 2\necho 0, NVIDIA H100, 1024, 2048, 50\n")
    slow.chmod(0o755)
    run = write_run(tmp_path / "run")
    terminal = start("top", run, env={"PATH": f"{slow.parent}:{os.environ['PATH']}"})
    terminal.shows("step 30 of 100")
    assert "GPU" not in terminal.text
    terminal.shows("GPU 0 NVIDIA H100: 1.0 of 2.0 GiB, 50% busy")
    say(run, step_line(31, time.time()))
    terminal.shows("step 31 of 100")


@pytest.mark.real
def test_of_several_runs_the_one_that_needs_a_look_is_shown_in_full(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    write_run(root / "fine")
    write_run(root / "late", ago=300.0)
    terminal = start("watch", "--listen", "none", root)
    terminal.until(lambda: terminal.lines[0].startswith("Degraded: no step for 5 min"), "the late one first")
    terminal.shows("\nfine: Healthy: step 30 of 100")
    terminal.press_ctrl_c()
    assert terminal.ends() == 0


def test_top_needs_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["top", str(write_run(tmp_path / "run")), "--state-dir", str(tmp_path / "state")]) == 2
    assert "rli-agent status" in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "state")
