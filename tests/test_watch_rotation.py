"""A log that is rotated, moved or copied while it is watched, or while no agent runs: each line counts once."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from agent_process import PATIENCE, Agent, store, until
from growing_run import trainer, write, write_run

from rli_agent.alerts.opening import open_alerts
from rli_agent.catalogue import Catalogue
from rli_agent.discover import Scan
from rli_agent.follow.rotation import rotated_from
from rli_agent.options import WatchOptions
from rli_agent.rulebook import Rulebook
from rli_agent.watching.files import RunFiles
from rli_agent.watching.run import WatchedRun
from rli_agent.watching.setting import Setting

LOG = "logs/trainer.log"


@pytest.mark.parametrize(
    ("name", "base"),
    [("train.log.1", "train.log"), ("logs/train.log.12", "logs/train.log"), ("train.log-20261121", "train.log"),
     ("train.log.2026-11-21", "train.log"), ("train.2026-11-21_10-00-00_000000.log", "train.log"),
     ("train.log.2026-11-21_10-00-00", "train.log"), ("train.log", None), ("rank_1.log", None), ("events.out", None),
     ("1.jsonl", None), ("slurm-118.out", None)],
)  # fmt: skip
def test_rotated_names(name: str, base: str | None) -> None:
    assert rotated_from(name) == base


class Run:
    """A prime-rl run whose trainer has printed `step` steps."""

    def __init__(self, root: Path) -> None:
        self.root, self.step = root, 2
        write_run(root, self.step)
        self.log = root / LOG

    def print(self, file: str = LOG) -> None:
        self.step += 1
        write(self.root, file, trainer(self.step, 30000 + 60 * self.step))

    def shift(self) -> None:
        """As logrotate with numbers does it."""
        for number in range(5, 0, -1):
            old = self.log.with_name(f"{self.log.name}.{number}")
            if old.exists():
                old.rename(self.log.with_name(f"{self.log.name}.{number + 1}"))
        self.log.rename(self.log.with_name(f"{self.log.name}.1"))


def steps(folder: Path) -> list[int]:
    """Of the trainer's step lines that are in the store."""
    with contextlib.closing(sqlite3.connect(store(folder))) as db:
        return sorted(row[0] for row in db.execute("SELECT step FROM samples WHERE name = 'loss/mean'"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


def watched(run: Run, agents: Callable[..., Agent]) -> Agent:
    agent = agents(run.root, "--listen", "none")
    agent.says("trainer: logs/trainer.log")
    until(lambda: steps(run.root.parent)[-1:] == [run.step], f"step {run.step}")
    return agent


def rename_and_create(run: Run) -> None:
    run.shift()
    run.print()


def rename_and_leave(run: Run) -> None:
    """What writes goes on in the file, whatever it is called, and nothing takes its name."""
    run.shift()
    run.print(f"{LOG}.1")


def move_by_hand(run: Run) -> None:
    run.log.rename(run.log.with_name("before.log"))
    run.print()
    run.print("logs/before.log")


def copy_and_truncate(run: Run) -> None:
    shutil.copyfile(run.log, run.log.with_name(f"{run.log.name}.1"))
    with run.log.open("r+") as file:
        file.truncate(0)
    run.print()


def twice(run: Run) -> None:
    rename_and_create(run)
    rename_and_create(run)


WAYS = [rename_and_create, rename_and_leave, move_by_hand, copy_and_truncate, twice]


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_while_watched(run: Run, agents: Callable[..., Agent], way: Callable[[Run], None]) -> None:
    agent = watched(run, agents)
    for _ in range(2 if way is rename_and_create else 1):
        way(run)
        until(lambda: len(steps(run.root.parent)) >= run.step, f"{run.step} steps", 20.0)
    (run.root / "logs" / "new.log").write_text("a look at all files follows\n")
    agent.says("new.log")
    assert agent.end() == 0
    assert steps(run.root.parent) == list(range(1, run.step + 1))
    again = agents(run.root, "--listen", "none", "--once")
    assert again.process.wait(PATIENCE) == 0
    assert steps(run.root.parent) == list(range(1, run.step + 1))


@pytest.mark.real
@pytest.mark.parametrize("way", [rename_and_create, rename_and_leave, twice], ids=lambda way: way.__name__)
def test_while_no_agent_runs(run: Run, agents: Callable[..., Agent], way: Callable[[Run], None]) -> None:
    for _ in range(2):
        once = agents(run.root, "--listen", "none", "--once")
        assert once.process.wait(PATIENCE) == 0, once.output
        assert steps(run.root.parent) == list(range(1, run.step + 1))
        if run.log.exists():
            way(run)


@pytest.mark.real
def test_what_was_rotated_before_the_agent_came_is_read_first_and_once(run: Run, agents: Callable[..., Agent]) -> None:
    twice(run)
    agent = watched(run, agents)
    assert steps(run.root.parent) == list(range(1, run.step + 1))
    rename_and_create(run)
    until(lambda: run.step in steps(run.root.parent), f"step {run.step}")
    assert agent.end() == 0
    assert agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    assert steps(run.root.parent) == list(range(1, run.step + 1))
    with contextlib.closing(sqlite3.connect(store(run.root.parent))) as db:
        order = [row[0] for row in db.execute("SELECT step FROM samples WHERE name = 'loss/mean' ORDER BY rowid")]
        assert db.execute("SELECT count(*) FROM attempts").fetchone() == (1,)
    assert order == sorted(order)


@pytest.mark.real
@pytest.mark.parametrize("way", ["rotated", "deleted by hand"])
def test_the_log_that_was_read_last_is_gone(run: Run, agents: Callable[..., Agent], way: str) -> None:
    """What came after it is read, and what came before it not again."""
    assert agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    rename_and_create(run)
    assert agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    if way == "rotated":
        for _ in range(3):
            rename_and_create(run)
        for number in (3, 4):
            run.log.with_name(f"{run.log.name}.{number}").unlink()
    else:
        run.log.unlink()
        run.print()
    assert agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    assert steps(run.root.parent) == list(range(1, run.step + 1))


@pytest.mark.real
def test_a_log_that_got_the_inode_of_a_deleted_one(run: Run, agents: Callable[..., Agent]) -> None:
    """The store still knows that inode under the name that the deleted one had."""

    def read_all() -> None:
        once = agents(run.root, "--listen", "none", "--once")
        assert once.process.wait(PATIENCE) == 0, once.output
        assert steps(run.root.parent) == list(range(1, run.step + 1))

    twice(run)
    read_all()
    deleted = {old.stat().st_ino for old in run.log.parent.glob(f"{run.log.name}.*")}
    for old in run.log.parent.glob(f"{run.log.name}.*"):
        old.unlink()
    run.shift()
    tried = [run.root / f"{number}.tmp" for number in range(500)]
    for new in tried:
        new.touch()
        if new.stat().st_ino in deleted:
            new.rename(run.log)
            break
    else:
        pytest.skip("this file system gives no inode a second time so soon")
    for new in tried:
        new.unlink(missing_ok=True)
    run.print()
    read_all()
    run.print()
    rename_and_create(run)
    read_all()


@pytest.mark.real
@pytest.mark.parametrize("names", [1, 4])
@pytest.mark.parametrize("look", [0, 1, 2, 3])
def test_rotated_at_the_moment_of_a_look(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int, names: int
) -> None:
    for _ in range(names):
        rename_and_create(run)
    looks, scan = itertools.count(), RunFiles._scan

    def rotated_after(files: RunFiles) -> Scan:
        found = scan(files)
        if next(looks) == look:
            rename_and_create(run)
        return found

    monkeypatch.setattr(RunFiles, "_scan", rotated_after)
    setting = Setting(tmp_path / "state", Catalogue.load(), open_alerts(None, {}), ZoneInfo("UTC"), threading.Event())
    for _ in range(2):
        watched = WatchedRun(
            WatchOptions([run.root], once=True, private=True), setting, Rulebook([run.root], []), frozenset(), print
        )
        watched.begin()
        rename_and_create(run)
        watched.read_once()
        watched.close()
    assert steps(tmp_path) == list(range(1, run.step + 1))


@pytest.mark.real
def test_what_was_rotated_since_is_read_while_the_log_itself_is_away(run: Run, agents: Callable[..., Agent]) -> None:
    """Rotated twice while no agent ran, and the next one comes before the trainer has opened a new log."""
    watched(run, agents).kill()
    for _ in range(2):
        run.print()
        run.shift()
    agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE)
    assert steps(run.root.parent) == list(range(1, run.step + 1))
    run.print()
    agents(run.root, "--listen", "none", "--once").process.wait(PATIENCE)
    assert steps(run.root.parent) == list(range(1, run.step + 1))
