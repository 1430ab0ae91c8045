from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from rli_agent.events import Event, Interval, Problem, RunFact, Samples, Shape
from rli_agent.store.connection import read_only
from rli_agent.store.registry import copy_run, list_runs, prune_runs, run_id, store_path
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore, StoreError

DAY = 86400.0


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(read_only(path)) as db:
        return db.execute(query).fetchall()


def day(ago: int, lines: int = 1) -> list[Event]:
    """What a day brought: each has a name and a state of its own."""
    at = time.time() - ago * DAY + 60
    shape = Shape((f"k{ago}", "y"), (None, None), (None, None))
    found: list[Event] = []
    for line in range(lines):
        place = ("a.log", line, 0)
        found.append(Samples(*place, at, "logged", 1, shape, [0.5, 0.5], f"[0.5, {'1' * 200}]"))
        found.append(Interval(*place, "logged", "trainer", f"s{ago}", 1, at - 1, at))
        found.append(Problem(*place, at, "logged", "ERROR", "other", "m" * 50))
    return found


def checkpoint(offset: int) -> Checkpoint:
    return Checkpoint("a.log", 1, 1, offset, 1, b"", b"", 0.0)


def test_prune_by_age_takes_the_old_and_leaves_what_cannot_be_read_again(store: RunStore) -> None:
    store.commit(
        [
            *day(9), *day(5), *day(1),
            RunFact("a.log", 1, 0, time.time() - 30 * DAY, "logged", "max_steps", "400"),
            Interval("a.log", 2, 0, "logged", "trainer", "eval", 1, time.time() - 30 * DAY, None),
            Interval("a.log", 3, 0, "estimated", "trainer", "waits", 1, -1.0, 0.0),
        ],
        [checkpoint(50)],
    )  # fmt: skip
    (before,) = rows(store.path, "SELECT max(id), (SELECT max(id) FROM interval_rows) FROM lines")
    assert store.prune(keep_days=4) == 6
    assert rows(store.path, "SELECT name FROM samples") == [("k1",), ("y",)]
    assert sorted(rows(store.path, "SELECT state FROM intervals")) == [("eval",), ("s1",)]
    assert rows(store.path, "SELECT count(*) FROM states") == [(3,)]
    assert rows(store.path, "SELECT count(*) FROM shapes") == [(1,)]
    assert rows(store.path, "SELECT value FROM facts") == [("400",)]
    assert store.checkpoints() == {"a.log": checkpoint(50)}
    assert store.prune(keep_days=0) == 0  # the last of each kind stays: its id marks how far others have read
    assert rows(store.path, "SELECT max(id), (SELECT max(id) FROM interval_rows) FROM lines") == [before]
    store.commit(day(9), [])  # names that went are made anew
    assert rows(store.path, "SELECT name FROM samples ORDER BY line, name") == [("k1",), ("k9",), ("y",), ("y",)]


def test_prune_by_age_counts_a_time_that_became_known_later(store: RunStore) -> None:
    shape, now = Shape(("loss",), (None,), (None,)), time.time()
    store.commit([Samples("a.log", line, 0, None, "estimated", line, shape, [1.0], "[1]") for line in (1, 2, 3)], [])
    store.place("a.log", [(line, now - (10 - line) * DAY) for line in (1, 2, 3)])
    assert store.prune(keep_days=8.5) == 1
    assert rows(store.path, "SELECT line, time FROM samples") == [(2, now - 8 * DAY), (3, now - 7 * DAY)]
    assert rows(store.path, "SELECT count(*) FROM line_times") == [(2,)]


def test_prune_by_size_takes_the_oldest_until_the_file_is_small_enough(store: RunStore) -> None:
    for ago in range(20, 0, -1):
        store.commit(day(ago, lines=300), [])
    keep = 1_000_000
    store.prune(keep_bytes=None)
    assert rows(store.path, "SELECT count(*) FROM lines") == [(6000,)]
    assert store.prune(keep_bytes=keep) > 1000
    assert store.path.stat().st_size <= keep * 1.02  # and SQLite's map of the pages
    assert store.path.stat().st_size > keep * 0.6
    left = [int(str(name)[1:]) for (name,) in rows(store.path, "SELECT DISTINCT name FROM samples WHERE name <> 'y'")]
    assert sorted(left) == list(range(1, max(left) + 1))
    assert max(left) < 15
    assert store.integrity() == []
    assert store.prune(keep_bytes=keep) == 0


def test_prune_to_nothing_ends(store: RunStore) -> None:
    store.commit(day(3, lines=50), [])
    store.prune(keep_bytes=1)
    assert rows(store.path, "SELECT count(*) FROM lines") == [(1,)]


def test_prune_goes_on_beside_a_reader(store: RunStore) -> None:
    store.commit(day(9, lines=500), [])
    store.commit(day(1), [])
    with closing(read_only(store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM lines").fetchone()
        assert store.prune(keep_days=4) == 1500
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (501,)


def test_copy_is_one_sound_file_of_one_moment(store: RunStore, tmp_path: Path) -> None:
    store.commit(day(1, lines=100), [checkpoint(7)])
    target = tmp_path / "elsewhere" / "copy.sqlite"
    with pytest.raises(StoreError, match="cannot be written"):
        store.copy(target)
    target.parent.mkdir()
    with store.transaction():
        store.commit(day(2, lines=100), [checkpoint(9)])
        store.copy(target)  # while a transaction is under way
    assert os.listdir(target.parent) == ["copy.sqlite"]
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("SELECT count(*), (SELECT offset FROM sources) FROM lines").fetchone() == (100, 7)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with pytest.raises(StoreError, match="exists already"):
        store.copy(target)


def test_run_id_is_readable_stable_and_of_the_place(tmp_path: Path) -> None:
    root = tmp_path / "my run (3)"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    name = run_id(root)
    assert name.startswith("my-run-3-")
    assert len(name) == len("my-run-3-") + 8
    assert run_id(tmp_path / "link") == run_id(root / ".") == name
    other = tmp_path / "x" / "my run (3)"
    assert run_id(other).startswith("my-run-3-")
    assert run_id(other) != name
    assert run_id(Path("/")).startswith("run-")
    assert run_id(tmp_path / os.fsdecode(b"\xff\xfe")).startswith("run-")
    assert len(run_id(tmp_path / ("a" * 200))) < 64


def make(state: Path, run: str, days_ago: float, lines: int = 10) -> Path:
    path = store_path(state, run)
    store = RunStore.open(path, RunRow(run, f"/runs/{run}", 5.0))
    fact = RunFact("a.log", 1, 0, 1.0, "logged", "framework", "verl", 0.9)
    store.commit([*day(1, lines), fact], [])
    store.close()
    when = time.time() - days_ago * DAY
    os.utime(path, (when, when))
    return path


def test_runs_are_listed_newest_first_with_what_is_known(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    make(tmp_path, "old", 3)
    make(tmp_path, "new", 1)
    store_path(tmp_path, "bad").parent.mkdir()
    store_path(tmp_path, "bad").write_bytes(b"no database at all" * 50)
    (tmp_path / "runs" / "empty").mkdir()
    held = RunStore.open(store_path(tmp_path, "live"), RunRow("live", "/runs/live", 5.0))
    found = {info.run: info for info in list_runs(tmp_path)}
    held.close()
    assert [run for run in found if run in ("old", "new")] == ["new", "old"]
    assert set(found) == {"old", "new", "bad", "live"}
    new = found["new"]
    assert (new.root, new.framework, new.last_step, new.writing, new.error) == ("/runs/new", "verl", 1, False, None)
    assert new.bytes >= new.path.stat().st_size
    assert abs(new.changed - (time.time() - DAY)) < 60
    assert found["live"].writing
    assert "not a database" in str(found["bad"].error)


def test_copy_run_copies_and_names_the_runs_there_are(tmp_path: Path) -> None:
    make(tmp_path, "one", 1)
    copy_run(tmp_path, "one", tmp_path / "copy")
    assert rows(tmp_path / "copy", "SELECT run FROM runs") == [("one",)]
    with pytest.raises(StoreError, match=r"no store of a run two in .*; there are: one"):
        copy_run(tmp_path, "two", tmp_path / "other")


def test_prune_runs_by_age_and_size_spares_the_one_in_use(tmp_path: Path) -> None:
    for ago, run in enumerate(["a", "b", "c", "d"], start=1):
        make(tmp_path, run, ago)
    make(tmp_path, "live", 0)
    held = RunStore.open(store_path(tmp_path, "live"), RunRow("live", "/runs/live", 5.0))
    assert prune_runs(tmp_path) == []
    assert prune_runs(tmp_path, keep_days=3.5) == ["d"]
    two = sum(info.bytes for info in list_runs(tmp_path) if info.run in ("a", "live"))
    assert prune_runs(tmp_path, keep_bytes=two + 1000) == ["c", "b"]
    assert prune_runs(tmp_path, keep_days=0, keep_bytes=0) == ["a"]
    assert [info.run for info in list_runs(tmp_path)] == ["live"]
    held.commit(day(1), [])
    held.close()
    assert prune_runs(tmp_path, keep_bytes=0) == ["live"]
    assert os.listdir(tmp_path / "runs") == []


def test_prune_runs_follows_no_link_out_of_the_state_directory(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", "kept", 9)
    (tmp_path / "state" / "runs").mkdir(parents=True)
    (tmp_path / "state" / "runs" / "link").symlink_to(path.parent)
    assert prune_runs(tmp_path / "state", keep_days=1, keep_bytes=0) == []
    assert path.exists()
