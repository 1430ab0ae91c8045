"""Killed at random moments while the logs are rotated under it: each line is counted once.

    make torture        500 kills; `make test` does 50

A writer prints numbered lines, torn anywhere, into three files: one is rotated by renaming, at times with a line more
for the old file; one is copied and truncated, each time all of it was read; one just grows.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, store, until
from growing_run import trainer, write

KILLS = int(os.environ.get("RLI_TORTURE_KILLS", "50"))
SEED = int(os.environ.get("RLI_TORTURE_SEED", "7"))
RENAMED, COPIED, STEADY = "logs/renamed.log", "logs/copied.log", "logs/steady.log"
#: The second of the day at which each begins: no two programs print the same line.
BEGUN = {RENAMED: 0, COPIED: 25_000, STEADY: 50_000}


class Writer:
    """Prints numbered step lines, torn anywhere, and rotates; `printed` counts the lines of each file."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root, self.chance = root, chance
        self.printed = Counter[str]()

    def print(self, name: str, into: str | None = None) -> None:
        self.printed[name] += 1
        text = trainer(self.printed[name], BEGUN[name] + self.printed[name])
        cut = self.chance.randrange(len(text))
        for part in (text[:cut], text[cut:]):
            write(self.root, into or name, part)

    def turn(self) -> None:
        for name in (RENAMED, COPIED, STEADY):
            for _ in range(self.chance.randrange(1, 4)):
                self.print(name)
        if self.chance.random() < 0.03:
            self.rename()

    def rename(self) -> None:
        log = self.root / RENAMED
        if not log.exists():
            return
        for number in sorted((int(old.suffix[1:]) for old in log.parent.glob(f"{log.name}.*")), reverse=True):
            log.with_name(f"{log.name}.{number}").rename(log.with_name(f"{log.name}.{number + 1}"))
        log.rename(log.with_name(f"{log.name}.1"))
        if self.chance.random() < 0.5:
            self.print(RENAMED, f"{RENAMED}.1")  # through the descriptor that it still has
        if self.chance.random() < 0.8:
            self.print(RENAMED)

    def truncate(self) -> None:
        log = self.root / COPIED
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        with log.open("r+") as file:
            file.truncate(0)


def counted(folder: Path) -> dict[str, Counter[int]]:
    """How often each step was counted, by the file that printed it, under whatever name that was read."""
    found: dict[str, Counter[int]] = {name: Counter() for name in (RENAMED, COPIED, STEADY)}
    with contextlib.closing(sqlite3.connect(store(folder))) as db:
        for file, step in db.execute("SELECT file, step FROM samples WHERE name = 'loss/mean'"):
            found[next(name for name in found if file.startswith(name))][step] += 1
    return found


@pytest.mark.real
@pytest.mark.timeout(60 + 6 * KILLS)
def test_killed_under_rotation_each_line_counts_once(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    chance = random.Random(SEED)
    writer = Writer(tmp_path / "run", chance)
    writer.turn()
    agent = agents(tmp_path / "run", "--listen", "none")
    agent.says("store: ")
    for kill in range(KILLS):
        moment = time.monotonic() + chance.uniform(0.0, 1.2)
        while time.monotonic() < moment:
            writer.turn()
            time.sleep(0.01)  # the pace of the writer, not a wait
        agent.kill()
        if kill % 10 == 5:  # what is truncated unread is gone for anybody
            assert agents(tmp_path / "run", "--listen", "none", "--once").process.wait(PATIENCE) == 0
            writer.truncate()
        agent = agents(tmp_path / "run", "--listen", "none")
    agent.says("store: ")
    agent.kill()
    for _ in range(2):
        last = agents(tmp_path / "run", "--listen", "none", "--once")
        assert last.process.wait(PATIENCE) == 0, last.output
    for name, found in counted(tmp_path).items():
        lost = sorted(set(range(1, writer.printed[name] + 1)) - found.keys())
        twice = sorted(step for step, count in found.items() if count > 1)
        assert (lost, twice) == ([], []), f"{name}: of {writer.printed[name]} lines"
    until(lambda: sum(writer.printed.values()) > 10 * KILLS, "enough lines", 0.1)
