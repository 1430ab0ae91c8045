"""The agent gives way: its threads run where a core is idle, but for those that a trainer waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import Agent, Command, attached, until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux has this policy"),
]


def policies(process: int) -> dict[int, int]:
    """By thread."""
    return {int(t): os.sched_getscheduler(int(t)) for t in os.listdir(f"/proc/{process}/task")}


def nices(process: int) -> set[int]:
    return {os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir(f"/proc/{process}/task")}


def test_all_threads_of_a_follower_run_where_a_core_is_idle(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_text("step:1 - actor/pg_loss:0.5 - critic/score/mean:0.25\n")
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: attached(tmp_path), "the first reading")
    until(lambda: set(policies(agent.process.pid).values()) == {os.SCHED_IDLE}, "all threads give way")
    assert agent.metrics()
    assert nices(agent.process.pid) == {19}
    assert set(policies(agent.process.pid).values()) == {os.SCHED_IDLE}, "also those that answer"


def test_who_empties_a_pipe_takes_its_turn(tmp_path: Path) -> None:
    arguments = ["watch", "--listen", "none", "--state-dir", str(tmp_path / "state"), "-"]
    agent = subprocess.Popen(
        [sys.executable, "-m", "rli_agent", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert agent.stdin is not None
    try:
        agent.stdin.write(b"step:1 - actor/pg_loss:0.5 - critic/score/mean:0.25\n")
        agent.stdin.flush()
        until(lambda: attached(tmp_path), "the first reading")
        assert nices(agent.pid) == {19}
        assert set(policies(agent.pid).values()) == {os.SCHED_OTHER}
    finally:
        agent.stdin.close()
        agent.wait(30)


def test_a_trainer_that_is_started_keeps_its_priority(tmp_path: Path) -> None:
    waits = "import pathlib, sys, time; p = pathlib.Path(sys.argv[1])\nwhile not p.exists(): time.sleep(0.01)"
    trainer = [sys.executable, "-c", waits, tmp_path / "end"]
    places = ["--state-dir", tmp_path / "state", "--log", tmp_path / "run.log"]
    agent = Command(tmp_path, "exec", "--listen", "none", *places, "--", *trainer)
    try:
        children = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children")
        until(lambda: os.sched_getscheduler(agent.process.pid) == os.SCHED_IDLE, "the agent gives way")
        (child,) = map(int, children.read_text().split())
        assert nices(child) == {os.getpriority(os.PRIO_PROCESS, 0)}
        assert set(policies(child).values()) == {os.sched_getscheduler(0)}
    finally:
        (tmp_path / "end").touch()
        agent.process.wait(30)
