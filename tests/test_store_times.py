from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.events import Event, Interval, Phase, Plan, Problem, RolloutBatch, RunFact, Samples, Shape, TimeIs
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore
from rli_agent.store.schema import APPLICATION, MIGRATIONS

RUN = RunRow("r-1", "/runs/r", 5.0)
LOSS = Shape(("loss",), (None,), (None,))
WHOLE = st.integers(-(10**6), 10**6).map(float)


def rows(store: RunStore, query: str) -> list[tuple[Any, ...]]:
    with closing(read_only(store.path)) as db:
        return db.execute(query).fetchall()


def sample(line: int, time: float | None, file: str = "a.log", time_is: TimeIs = "logged") -> Samples:
    return Samples(file, line, 0, time, time_is if time is not None else "estimated", line, LOSS, [1.0], "[1.0]")


def state(
    line: int, name: str, start: float | None, end: float | None, time_is: TimeIs = "estimated", file: str = "a.log"
) -> Interval:
    return Interval(file, line, 0, time_is, "trainer", name, line, start, end, None if end is None else 1.0)


ONE_TIME = ("samples", "problems", "rollouts", "facts")
TIMES = " UNION ALL ".join(
    [f"SELECT file, line, time AS a, NULL AS b, time_is FROM {view}" for view in ONE_TIME]
    + ['SELECT file, line, start, "end", time_is FROM intervals ORDER BY 1, 2, 3, 4, 5']
)


def timed(line: int, time: float, time_is: TimeIs, file: str) -> list[Event]:
    return [
        sample(line, time, file, time_is),
        state(line, "eval", time - 2, time, time_is, file),
        state(line, f"open {line}", time, None, time_is, file),
        Problem(file, line, 0, time, time_is, "ERROR", "other", "m"),
        RolloutBatch(file, line, 0, time, time_is, None, "train", "e", RolloutStatistics(1)),
        RunFact(file, line, 0, time, time_is, "k", "v"),
    ]


@pytest.mark.real
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a.log", "b.log"]), st.sampled_from(["logged", "observed"])), max_size=6),
    WHOLE,
    WHOLE,
    st.none() | st.integers(0, 7),
)
def test_shift_moves_logged_times_of_the_lines_before_and_nothing_else(
    kinds: list[tuple[str, TimeIs]], first: float, second: float, before: int | None
) -> None:
    events = [e for i, (file, time_is) in enumerate(kinds, 1) for e in timed(i, 1000.0 * i, time_is, file)]
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(Path(folder) / "s", RUN)
        store.commit(events, [])
        start = rows(store, TIMES)
        store.shift("a.log", lambda _: first, before)
        store.shift("a.log", lambda _: second, before)
        moved = rows(store, TIMES)
        store.shift("a.log", lambda _: -(first + second), before)
        assert rows(store, TIMES) == start
        store.close()
    expected = []
    for file, line, a, b, time_is in start:
        hit = file == "a.log" and time_is == "logged" and (before is None or line < before)
        by = first + second if hit else 0.0
        expected.append((file, line, a + by, None if b is None else b + by, time_is))
    assert sorted(moved, key=str) == sorted(expected, key=str)


def test_shift_asks_what_each_time_moves_by_and_keeps_durations(store: RunStore) -> None:
    long = state(2, "eval", 1500.0, 2500.0, "logged")
    store.commit([sample(1, 1000.0), long, sample(3, 3000.0), state(4, "open", 1800.0, None, "logged")], [])
    store.shift("a.log", lambda time: 10.0 if time < 2000.0 else 20.0)
    assert rows(store, TIMES) == [
        ("a.log", 1, 1010.0, None, "logged"), ("a.log", 2, 1520.0, 2520.0, "logged"),
        ("a.log", 3, 3020.0, None, "logged"), ("a.log", 4, 1810.0, None, "logged"),
    ]  # fmt: skip


STEP = Shape(
    ("timing/step", "timing/gen", "timing/testing"), (None,) * 3, (None,) * 3, (),
    Plan("trainer", (Phase(0, "step", "timing/step", "step"), Phase(1, "rollout", "timing/gen", "inside"),
                     Phase(2, "eval", "timing/testing", "after"))),
)  # fmt: skip


def step(line: int, time: float | None, whole: float, gen: float = 0.0, testing: float = 0.0) -> Samples:
    """A line that prints how long its step took, how long its generation, and a test after it."""
    values = [whole, gen, testing]
    return Samples("a.log", line, 0, time, "estimated", line, STEP, values, json.dumps(values))


def test_marks_are_the_unsettled_lines_backwards_with_what_passed(store: RunStore) -> None:
    store.commit(
        [
            step(1, None, 10.0, 6.0),
            state(1, "eval", -25.0, 0.0),
            step(2, None, 10.0, testing=2.0),
            step(3, None, 0.0, gen=7.0),
            Problem("a.log", 4, 0, None, "estimated", "ERROR", "other", "m"),
            state(6, "eval", None, None),
            sample(5, None, "b.log"),
        ],
        [],
    )
    assert list(store.marks("a.log")) == [
        (6, None, None),
        (4, None, None),
        (3, None, 7.0),
        (2, None, 12.0),
        (1, None, 10.0),
    ]
    assert list(store.marks("nowhere.log")) == []


def test_marks_give_the_settled_lines_in_between_as_anchors(store: RunStore) -> None:
    store.commit(
        [
            sample(1, 100.0), Problem("a.log", 2, 0, 150.0, "logged", "ERROR", "other", "m"),
            step(3, None, 5.0),
            step(4, 300.0, 20.0), state(4, "eval", 200.0, 290.0, "logged"),
            sample(5, 400.0), state(5, "train", 390.0, 400.0, "logged"),
        ],
        [],
    )  # fmt: skip
    assert list(store.marks("a.log")) == [(5, 400.0, None), (4, 300.0, 20.0), (3, None, 5.0), (2, 150.0, None)]


def walk(store: RunStore, last: float) -> Iterator[tuple[int, float]]:
    for line, time, seconds in store.marks("a.log"):
        last = last if time is None else time
        yield line, last
        last -= seconds or 0.0


@pytest.mark.real
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 1000).map(float), min_size=1, max_size=30), st.integers(1, 4))
def test_place_lays_the_steps_end_to_end(durations: list[float], a_commit: int) -> None:
    """Steps of known length before a known end: each begins where the one before ended, and nothing waits any more."""
    events: list[list[Event]] = [[step(i, None, d, gen=d / 2)] for i, d in enumerate(durations, 1)]
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(Path(folder) / "s", RUN)
        for first in range(0, len(events), a_commit):
            store.commit([e for some in events[first : first + a_commit] for e in some], [])
        assert rows(store, "SELECT count(*) FROM intervals") == [(0,)]  # what has no end there is open
        store.place("a.log", walk(store, 1e6))
        steps = rows(store, "SELECT start, \"end\" FROM intervals WHERE state = 'step' ORDER BY line")
        inner = rows(store, "SELECT start, \"end\" FROM intervals WHERE state = 'rollout' ORDER BY line")
        times = rows(store, "SELECT DISTINCT time, time_is FROM samples ORDER BY line")
        placed = rows(store, TIMES)
        assert list(store.marks("a.log")) == []
        store.place("a.log", [(line, 7.0) for line in range(40)])  # nothing left to place
        assert rows(store, TIMES) == placed
        store.close()
    ends = [1e6 - sum(durations[i:]) for i in range(1, len(durations) + 1)]
    assert times == [(end, "estimated") for end in ends]
    assert steps == [(end - d, end) for end, d in zip(ends, durations, strict=True)]
    assert inner == [(end - d, end - d + d / 2) for end, d in zip(ends, durations, strict=True)]


def test_place_reaches_every_kind_of_row_of_that_file_only(store: RunStore) -> None:
    store.commit(
        [
            Problem("a.log", 1, 0, None, "estimated", "ERROR", "other", "m"),
            RolloutBatch("a.log", 2, 0, None, "estimated", 1, "train", "e", RolloutStatistics(1)),
            RunFact("a.log", 3, 0, None, "estimated", "k", "v"),
            state(4, "eval", None, None),
            state(5, "save_ckpt", None, 0.0),
            sample(6, 66.0, time_is="observed"),
            sample(1, None, "b.log"),
        ],
        [],
    )
    store.place("a.log", ((line, line * 10.0) for line in range(9)))
    assert [(*row[:4], row[4][:3]) for row in rows(store, TIMES)] == [
        ("a.log", 1, 10.0, None, "est"), ("a.log", 2, 20.0, None, "est"), ("a.log", 3, 30.0, None, "est"),
        ("a.log", 4, 40.0, None, "est"), ("a.log", 5, None, 50.0, "est"), ("a.log", 6, 66.0, None, "obs"),
        ("b.log", 1, None, None, "est"),
    ]  # fmt: skip


def test_an_unplaced_interval_closes_the_open_one_and_its_number_is_free_after_a_restart(store: RunStore) -> None:
    store.commit([state(1, "eval", None, None)], [])
    store.commit([state(2, "eval", -3.0, 0.0), state(2, "eval", -3.0, 0.0)], [])
    store.close()
    again = RunStore.open(store.path, RUN)
    again.commit([state(2, "eval", -3.0, 0.0)], [])  # the same line of a file that was written anew
    again.place("a.log", [(2, 100.0)])
    assert rows(again, 'SELECT line, start, "end" FROM intervals') == [(2, 97.0, 100.0)] * 3
    again.close()


def test_settling_and_the_checkpoint_are_one_transaction(store: RunStore) -> None:
    def done(offset: int) -> Checkpoint:
        return Checkpoint("a.log", 1, 1, offset, 1, b"", b"settled", 0.0)

    store.commit([sample(1, 10.0), sample(2, None)], [done(50)])

    def settle() -> None:
        store.shift("a.log", lambda _: 86400.0)
        store.place("a.log", [(2, 5.0)])
        store.commit([sample(3, 30.0)], [done(90)])

    def interrupted() -> None:
        with store.transaction():
            settle()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert rows(store, "SELECT time FROM samples") == [(10.0,), (None,)]
    assert store.checkpoints()["a.log"].offset == 50
    with store.transaction():
        settle()
    assert rows(store, "SELECT time FROM samples") == [(86410.0,), (5.0,), (30.0,)]
    assert store.checkpoints()["a.log"].offset == 90


def test_lines_of_a_store_from_before_times_lay_beside_them_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("".join(MIGRATIONS[:8]))
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute("PRAGMA user_version = 8")
        db.execute("INSERT INTO sources (id, file) VALUES (1, 'a.log')")
        db.execute(
            "INSERT INTO shapes (id, digest, names, units, metrics, labels) VALUES (1, x'00', ?, ?, ?, '{}')",
            ('["loss"]', "[null]", "[null]"),
        )
        db.executemany(
            "INSERT INTO lines VALUES (NULL, 1, ?, 0, 1, ?, ?, 'estimated', '[1.0]', ?)",
            [(1, 1, 100.0, None), (2, 2, None, 20.0)],
        )
    store = RunStore.open(path, RUN)
    assert list(store.marks("a.log")) == [(2, None, 20.0), (1, 100.0, None)]
    store.place("a.log", [(2, 150.0)])
    store.commit([sample(3, 160.0)], [])
    assert rows(store, "SELECT line, time FROM samples ORDER BY line") == [(1, 100.0), (2, 150.0), (3, 160.0)]
    assert rows(store, "SELECT count, first_time, last_time FROM series WHERE labels = '{}'") == [(3, 100.0, 160.0)]
    store.close()
