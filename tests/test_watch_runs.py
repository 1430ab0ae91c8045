"""`rli-agent watch` on a directory of several runs: each has its own store, labels and status line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, until
from growing_run import trainer, write, write_run


def make_run(outputs: Path, name: str, steps: int) -> None:
    write_run(outputs / name, steps)


def steps_shown(page: str) -> dict[str, float]:
    """The trainers' steps by run, without the id's digits."""
    found = re.findall(r'^rl_step\{.*run="(.+)-[0-9a-f]{8}".*role="trainer".*\} (\S+)$', page, re.MULTILINE)
    return {run: float(step) for run, step in found}


def stores(folder: Path) -> list[str]:
    return sorted(path.parent.name.rpartition("-")[0] for path in folder.glob("state/runs/*/run.sqlite"))


@pytest.mark.real
def test_each_run_has_its_own_store_and_labels_on_one_page(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    outputs = tmp_path / "outputs"
    make_run(outputs, "a", 2)
    make_run(outputs, "b", 3)
    agent = agents(outputs, "--listen", "127.0.0.1:0")
    until(lambda: steps_shown(agent.metrics()) == {"a": 2, "b": 3}, "both runs")
    make_run(outputs, "later/c", 4)
    until(lambda: steps_shown(agent.metrics()) == {"a": 2, "b": 3, "c": 4}, "the run that came later")
    write(outputs, "a/logs/trainer.log", trainer(5, 31000))
    until(lambda: steps_shown(agent.metrics())["a"] == 5, "a step of the first run", 5.0)
    page = agent.metrics()
    heads = re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)
    assert len(heads) == len(set(heads))
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "metrics"], input=page.encode(), timeout=60, capture_output=True)
        assert checked.returncode == 0, checked.stderr
    assert agent.end() == 0
    for name, step in {"a": 5, "b": 3, "later/c": 4}.items():
        assert re.search(rf"^{name}: .*\bstep {step} of", agent.output, re.MULTILINE), agent.output
    assert stores(tmp_path) == ["a", "b", "c"]


@pytest.mark.real
def test_once_reads_every_run_the_last_written_first(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    outputs = tmp_path / "outputs"
    for number, name in enumerate(("old", "new", "oldest")):
        make_run(outputs, name, number + 1)
    for name, age in {"old": 2e6, "oldest": 3e6}.items():
        for path in (outputs / name).rglob("*"):
            os.utime(path, (time.time() - age, time.time() - age))
    agent = agents(outputs, "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    said = re.findall(r"^(\w+): .*step (\d) of", agent.output, re.MULTILINE)
    assert said == [("new", "2"), ("old", "1"), ("oldest", "3")]


@pytest.mark.real
def test_an_empty_directory_may_become_one_of_several_runs(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    agent = agents(outputs, "--listen", "127.0.0.1:0")
    agent.says("nothing to read in")
    make_run(outputs, "a", 2)
    until(lambda: steps_shown(agent.metrics()) == {"a": 2}, "the first run")
    make_run(outputs, "b", 1)
    until(lambda: steps_shown(agent.metrics()) == {"a": 2, "b": 1}, "the second run")
    assert agent.end() == 0
    assert stores(tmp_path) == ["a", "b"]


def test_one_run_reads_all_as_one(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    make_run(tmp_path / "outputs", "a", 2)
    make_run(tmp_path / "outputs", "b", 3)
    agent = agents(tmp_path / "outputs", "--listen", "none", "--once", "--one-run")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    assert stores(tmp_path) == ["outputs"]


@pytest.mark.real
def test_a_run_that_is_over_is_put_down_and_taken_up_when_it_writes_again(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    outputs = tmp_path / "outputs"
    make_run(outputs, "old", 2)
    make_run(outputs, "new", 2)
    for path in (outputs / "old").rglob("*.*"):
        os.utime(path, (time.time() - 2e5, time.time() - 2e5))
    agent = agents(outputs, "--listen", "127.0.0.1:0")
    until(lambda: steps_shown(agent.metrics()) == {"old": 2, "new": 2}, "both runs")

    def open_stores() -> set[str]:
        links = [os.readlink(f) for f in Path(f"/proc/{agent.process.pid}/fd").iterdir()]
        return {name for name in ("old", "new") if any(f"/runs/{name}-" in link for link in links)}

    until(lambda: open_stores() == {"new"}, "the old run's store to be closed")
    write(outputs, "old/logs/trainer.log", trainer(3, 31000))
    until(lambda: steps_shown(agent.metrics())["old"] == 3, "the old run's new step")
    assert open_stores() == {"old", "new"}
    assert agent.end() == 0
    (path,) = tmp_path.glob("state/runs/old-*/run.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM samples WHERE name = 'loss/mean'").fetchone() == (3,)


@pytest.mark.real
def test_a_run_that_another_agent_watches_does_not_stop_the_others(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    outputs = tmp_path / "outputs"
    make_run(outputs, "a", 2)
    first = agents(outputs / "a", "--listen", "127.0.0.1:0")
    until(lambda: steps_shown(first.metrics()) == {"a": 2}, "the first agent")
    for name in ("b", "c"):
        make_run(outputs, name, 1)
    both = agents(outputs, "--listen", "127.0.0.1:0")
    until(lambda: steps_shown(both.metrics()) == {"b": 1, "c": 1}, "the runs that are free")
    both.says(r"a: not watched, it is tried again: another rli-agent \(process \d+\)")
    assert "Traceback" not in both.output


@pytest.mark.parametrize("framework", ["no-such", ""])
def test_a_framework_that_no_pack_knows_is_an_error(
    tmp_path: Path, agents: Callable[..., Agent], framework: str
) -> None:
    make_run(tmp_path / "outputs", "a", 1)
    make_run(tmp_path / "outputs", "b", 1)
    agent = agents(tmp_path / "outputs", "--framework", framework, "--listen", "none")
    assert agent.process.wait(PATIENCE) == 2
    assert "error: no framework's pack is called" in agent.output


def test_attempts_are_read_in_their_order_also_the_tenth(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    for attempt in range(1, 12):
        begin = f"[trainer0]:{8 + attempt:02}:00:00    INFO"
        said = f"{begin} Starting RL trainer in World(rank=0)\n"
        if attempt > 1:
            said += f"{begin} Resuming training from checkpoint step {2 * attempt - 2}\n"
        for step in range(2 * attempt - 1, 2 * attempt + 2):
            said += trainer(step, 3600 * (8 + attempt) + 60 * (step % 60))
        write(tmp_path / "run", f"logs/attempt_{attempt}/trainer.log", said)
    agent = agents(tmp_path / "run", "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    (path,) = tmp_path.glob("state/runs/run-*/run.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT number, first_step, last_step, resumed_from FROM attempts ORDER BY number")
        listed = found.fetchall()
    assert listed == [(n, 2 * n - 1, 2 * n + 1, 2 * n - 2 if n > 1 else None) for n in range(1, 12)]
