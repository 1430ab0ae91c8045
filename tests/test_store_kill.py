"""A process that writes a store is killed, again and again, at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

RECORD = 100  # bytes of the log that record i stands in; all its events follow from i
TARGET = 10**6  # more than is ever reached before the kill

# Reads "the log" from where its checkpoint says, commits batch after batch, and tells of every step on stdout.
WRITER = f"""
import os, random, signal, sys
from itertools import count
from pathlib import Path
from rli_agent.events import Interval, Problem, Samples, Shape
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore

path, seed, target = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)
tell = lambda sign: (sys.stdout.write(sign), sys.stdout.flush())
tell("o")
store = RunStore.open(path, RunRow("r", "/r", 0.0))
if len(sys.argv) > 4:  # dies by its own hand before the n-th statement that begins so
    word, number, seen = sys.argv[4], int(sys.argv[5]), count(1)
    at = lambda sql: sql.startswith(word) and next(seen) == number and os.kill(os.getpid(), signal.SIGKILL)
    store._db.set_trace_callback(at)
here = store.checkpoints().get("log")
done = here.offset // {RECORD} if here else 0
place = lambda i: ("log", i + 1, i * {RECORD})
while done < target:
    events = []
    upto = min(done + draw.choice((1, 7, 300)), target)
    for i in range(done, upto):
        shape = Shape((f"k{{i // 500}}", "x"), (None, None), (None, None))
        events.append(Samples(*place(i), 1.0 * i, "logged", i, shape, [i, 0.5], f"[{{i}}, 0.5]"))
        events.append(Interval(*place(i), "logged", "trainer", "step", i, 1.0 * i, i + 1.0))
        events.append(Interval(*place(i), "logged", "trainer", "save_ckpt", i, 1.0 * i, None if i % 3 else i + 1.0))
        if i % 13 == 0:
            events.append(Problem(*place(i), None, "estimated", "ERROR", "other", f"m{{i}}"))
    store.commit(events, [Checkpoint("log", 1, 1, upto * {RECORD}, upto, b"f", str(upto).encode(), 0.0)])
    done = upto
    tell(".")
store.close()
tell("x")
"""


def start(path: Path, seed: int, target: int, *end: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(path), str(seed), str(target), *end]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def check(path: Path) -> int:
    """How many records the store says were read; everything in it must agree."""
    with closing(read_only(path)) as db:
        found = db.execute("SELECT offset, line, CAST(state AS TEXT) FROM sources").fetchone()
        offset, line, state = found or (0, 0, "0")
        done = int(offset // RECORD)
        assert (line, state) == (done, str(done))
        assert db.execute("SELECT line, json_extract(values_json, '$[0]') FROM lines ORDER BY id").fetchall() == [
            (i + 1, i) for i in range(done)
        ]
        named = "SELECT count(*) FROM samples WHERE name = 'k' || (value / 500)"
        assert db.execute(named).fetchone() == (done,)
        assert db.execute("SELECT line FROM problems").fetchall() == [(i + 1,) for i in range(0, done, 13)]
        states = 'SELECT line, start, "end" FROM intervals WHERE state = ? ORDER BY line'
        assert db.execute(states, ("step",)).fetchall() == [(i + 1, i, i + 1) for i in range(done)]
        # Each third closes; what opened before is gone, what opened since is there.
        closed = [(i + 1, i, i + 1) for i in range(0, done, 3)]
        since = closed[-1][0] if closed else 0
        expected = closed + [(i + 1, i, None) for i in range(since, done)]
        assert db.execute(states, ("save_ckpt",)).fetchall() == expected
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return done


@pytest.mark.real
def test_a_kill_at_any_moment_neither_loses_nor_doubles(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    draw = random.Random(20)
    reached = []
    for seed in range(20):
        with start(path, seed, TARGET) as writer:
            assert writer.stdout is not None
            assert writer.stdout.read(1) == b"o"
            writer.stdout.read(draw.randrange(40))  # so many commits are through
            spin(draw.random() * 0.005)
            writer.kill()
        assert writer.returncode == -9
        if path.exists() and path.stat().st_size:
            reached.append(check(path))
    assert reached == sorted(reached)
    assert len(set(reached)) > 10
    target = reached[-1] + 500
    with start(path, 99, target) as writer:
        assert writer.stdout is not None
        assert writer.stdout.read().endswith(b"x")
    assert writer.returncode == 0
    assert check(path) == target


STATEMENTS = (
    "BEGIN", "INSERT INTO line_rows", "INSERT INTO interval_rows", "DELETE FROM interval_open", "UPDATE sources",
    "COMMIT",
)  # fmt: skip


@pytest.mark.real
def test_a_kill_between_any_two_statements_neither_loses_nor_doubles(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    reached = 0
    for seed, statement in enumerate(STATEMENTS * 2):
        with start(path, seed, TARGET, statement, str(1 + seed % 3)) as writer:
            assert writer.stdout is not None
            writer.stdout.read()
        assert writer.returncode == -9
        done = check(path)
        assert done >= reached
        reached = done
    assert reached > 0


@pytest.mark.real
def test_a_kill_while_the_store_is_made_leaves_one_that_opens(tmp_path: Path) -> None:
    draw = random.Random(21)
    for seed in range(8):
        path = tmp_path / str(seed) / "run.sqlite"
        with start(path, seed, TARGET) as writer:
            assert writer.stdout is not None
            assert writer.stdout.read(1) == b"o"
            spin(draw.random() * 0.012)
            writer.kill()
        store = RunStore.open(path, RunRow("r", "/r", 0.0))
        assert store.integrity() == []
        store.close()
        assert not list(path.parent.glob("*.damaged-*"))
        check(path)
