from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.events import (
    Event,
    Interval,
    Problem,
    RolloutBatch,
    RunFact,
    Samples,
    Shape,
    Source,
    TimeIs,
    as_printed,
)
from rli_agent.rollout_statistics import Distribution, RolloutStatistics
from rli_agent.store.connection import read_only
from rli_agent.store.rows import values_of
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore

RUN = RunRow("r-1", "/runs/r", 5.0)


def rows(store: RunStore, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(read_only(store.path)) as db:
        return db.execute(query, values).fetchall()


def shape(*names: str, **labels: str) -> Shape:
    return Shape(names, (None,) * len(names), (None,) * len(names), tuple(labels.items()))


def samples(of: Shape, values: list[float], line: int = 1, step: int | None = 1, time: float | None = 10.0) -> Samples:
    printed = json.dumps([as_printed(value) for value in values])
    return Samples("a.log", line, line * 100, time, "logged" if time else "estimated", step, of, values, printed)


def interval(
    line: int, state: str, start: float | None, end: float | None, lane: str = "trainer", time_is: TimeIs = "logged"
) -> Interval:
    return Interval("a.log", line, line * 100, time_is, lane, state, 1, start, end)


def checkpoint(file: str = "a.log", offset: int = 100) -> Checkpoint:
    return Checkpoint(file, 2**64 - 3, 2**63 + 7, offset, 1, b"\x00print", b"state\xff", 1.5)


def test_a_line_unfolds_into_its_samples(store: RunStore) -> None:
    of = Shape(("loss", "kl"), (None, "percent"), ("rl_policy_loss", None), (("role", "trainer"), ("rank", "0")))
    store.commit([Samples("a.log", 7, 130, 9.5, "logged", 3, of, [0.5, 2.0], "[0.50, 2]")], [])
    found = rows(store, "SELECT * FROM samples")
    labels = '{"role":"trainer","rank":"0"}'
    assert found == [
        ("a.log", 7, 3, 9.5, "logged", "loss", "rl_policy_loss", None, 0.5, "0.50", labels, "gauge"),
        ("a.log", 7, 3, 9.5, "logged", "kl", None, "percent", 2, "2", labels, "gauge"),
    ]


@pytest.mark.real
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats() | st.integers(-(10**25), 10**25), min_size=1, max_size=50), max_size=6))
def test_samples_are_exactly_the_printed_values(figures: list[list[float]]) -> None:
    events: list[Event] = []
    for line, values in enumerate(figures, start=1):
        printed = json.dumps([as_printed(value) for value in values])
        of = shape(*(f"k{i}" for i in range(len(values))))
        events.append(Samples("a.log", line, 0, 1.0, "logged", line, of, [float(v) for v in values], printed))
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(Path(folder) / "s", RUN)
        store.commit(events, [])
        found = rows(
            store, "SELECT line, name, printed, value FROM samples ORDER BY line, CAST(substr(name, 2) AS INT)"
        )
        newest = {(entry.name, entry.step): entry.value for entry in store.latest()}
        store.close()
    expected = [
        (line, f"k{i}", str(as_printed(v)), v) for line, vs in enumerate(figures, start=1) for i, v in enumerate(vs)
    ]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for (*_, value), (*_, number) in zip(found, expected, strict=True):
        if math.isnan(number):
            assert value is None
        else:
            assert value == number or math.isclose(value, number, rel_tol=1e-15, abs_tol=1e-320)
    last: dict[tuple[str, int | None], float] = {(name, line): float(number) for line, name, _, number in expected}
    for place, value in newest.items():  # decoded from the text: exact
        assert value == last[place] or (math.isnan(value) and math.isnan(last[place]))


def test_every_kind_of_event_is_kept(store: RunStore) -> None:
    figures = {
        "reward": Distribution.of([0.0, 1.0, 0.0, 1.0]), "response_tokens": Distribution.of([500.0, 900.0], (512.0,)),
    }  # fmt: skip
    rollouts = RolloutStatistics(8, 1, 2, empty=3, figures=figures)
    store.commit(
        [
            Problem(
                "e.log", 4, 40, 2.0, "logged", "ERROR", "cuda_oom", "CUDA out of memory", 3, 7, "oom", (("rank", "1"),)
            ),
            RolloutBatch("r.jsonl", 1, 0, None, "estimated", 3, "train", "math", rollouts),
            RunFact("a.log", 2, 20, 1.0, "observed", "max_steps", "400", 0.5),
        ],
        [],
    )
    problem = ("e.log", 4, 40, 2.0, "logged", "ERROR", "cuda_oom", "CUDA out of memory", 3, 7, "oom", '{"rank":"1"}')
    assert rows(store, "SELECT * FROM problems") == [problem]
    batch = ("r.jsonl", 1, 0, None, "estimated", 3, "train", "math", 8, 4, 2.0, 0.5, 0.5, 0.0, 1.0, 1, 2)
    counted = (0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 700.0, None, None)
    assert rows(store, "SELECT * FROM rollouts") == [batch + counted]
    assert rows(store, "SELECT * FROM rollout_figures WHERE quantity = 'response_tokens'") == [
        ("r.jsonl", 1, 3, "train", "math", "response_tokens", 2, 700.0, 200.0, 500.0, 900.0, '{"0":1,"1":1}')
    ]
    assert rows(store, "SELECT * FROM facts") == [("a.log", 2, 20, 1.0, "observed", "max_steps", "400", 0.5)]
    assert rows(store, "SELECT * FROM runs") == [("r-1", "/runs/r", 5.0)]


def test_hostile_text_and_numbers_are_kept_as_far_as_they_can(store: RunStore) -> None:
    file = "\udcff\udc80.log"
    store.commit(
        [
            Problem(file, 1, 0, 1.0, "logged", "ERROR", "other", "bad \udc80 byte, NUL \0, '; DROP", 10**30, 10**30),
            Samples(file, 2, 9, 1.0, "logged", 10**30, shape("l\udc80", role="\udc80"), [float("inf")], "[1e999]"),
            Interval(file, 3, 20, "logged", "\udc80", "x", -(10**30), 1.0, math.nan),
        ],
        [checkpoint(file)],
    )
    assert list(store.checkpoints()) == [file]
    assert rows(store, "SELECT message, step FROM problems") == [("bad \\udc80 byte, NUL \0, '; DROP", None)]
    assert rows(store, "SELECT name, step, printed, labels FROM samples") == [
        ("l\\udc80", None, "1e999", '{"role":"\\\\udc80"}')
    ]
    assert rows(store, 'SELECT lane, step, "end" FROM intervals') == [("\\udc80", None, None)]
    assert [entry.value for entry in store.latest()] == [math.inf]


def test_checkpoints_come_back_as_they_were(store: RunStore) -> None:
    first, second = checkpoint(), checkpoint("b.log", 7)
    store.commit([], [first, second])
    store.describe([Source("a.log", "trainer", "trainer", labels=(("rank", "0"),)), Source("c.log", "env")])
    moved = checkpoint(offset=900)
    store.commit([], [moved])
    assert store.checkpoints() == {"a.log": moved, "b.log": second}
    store.close()
    again = RunStore.open(store.path, RUN)
    assert again.checkpoints() == {"a.log": moved, "b.log": second}
    assert rows(again, "SELECT file, role, offset FROM sources ORDER BY file") == [
        ("a.log", "trainer", 900), ("b.log", None, 7), ("c.log", "env", None),
    ]  # fmt: skip
    again.close()


def test_a_closed_interval_takes_the_place_of_the_open_one(store: RunStore) -> None:
    query = 'SELECT line, lane, state, start, "end" FROM intervals ORDER BY line, lane, state'
    store.commit([interval(1, "save_ckpt", 5.0, None), interval(1, "eval", 5.0, None)], [])
    store.commit([interval(2, "save_ckpt", 6.0, None, lane="other")], [])
    assert len(rows(store, query)) == 3
    store.commit([interval(9, "save_ckpt", 5.0, 8.0)], [])
    assert rows(store, query) == [
        (1, "trainer", "eval", 5.0, None), (2, "other", "save_ckpt", 6.0, None), (9, "trainer", "save_ckpt", 5.0, 8.0),
    ]  # fmt: skip


def test_open_and_closed_in_one_batch_keep_their_order(store: RunStore) -> None:
    store.commit([interval(1, "eval", 1.0, None)], [])
    store.commit([interval(3, "eval", 1.0, 3.0), interval(4, "eval", 4.0, None)], [])
    store.commit([interval(6, "eval", 4.0, 6.0), interval(7, "eval", 7.0, None), interval(8, "eval", 7.0, 8.0)], [])
    store.commit([interval(9, "eval", 9.0, None)], [])
    store.commit([interval(9, "eval", 9.0, None)], [])  # told again: still one row
    assert rows(store, 'SELECT line, start, "end" FROM intervals ORDER BY line') == [
        (3, 1.0, 3.0), (6, 4.0, 6.0), (8, 7.0, 8.0), (9, 9.0, None),
    ]  # fmt: skip


def test_an_open_interval_of_another_file_stays(store: RunStore) -> None:
    other = Interval("b.log", 1, 0, "logged", "trainer", "eval", None, 1.0, None)
    store.commit([other, interval(2, "eval", 1.0, 2.0)], [])
    store.commit([interval(3, "eval", 2.0, 3.0)], [])
    assert rows(store, 'SELECT file FROM intervals WHERE "end" IS NULL') == [("b.log",)]


def test_series_sum_up_what_the_lines_hold(store: RunStore) -> None:
    wide, narrow = shape("loss", "kl", role="trainer"), shape("loss", role="trainer")
    store.commit([samples(wide, [1.0, 2.0], 1, 1, 10.0), samples(narrow, [3.0], 2, 5, 50.0)], [])
    assert rows(store, "SELECT * FROM series ORDER BY name") == [
        ("kl", None, '{"role":"trainer"}', 1, 1, 1, 10.0, 10.0),
        ("loss", None, '{"role":"trainer"}', 2, 1, 5, 10.0, 50.0),
    ]


def test_latest_is_the_newest_of_each_series(store: RunStore) -> None:
    wide, narrow = shape("loss", "kl", role="trainer"), shape("loss", role="trainer")
    store.commit([samples(wide, [1.0, 2.0], 1, 1, 10.0), samples(narrow, [3.0], 2, 2, 20.0)], [])
    old = Samples("old.log", 99, 0, 5.0, "logged", 0, narrow, [9.0], "[9.0]")  # read later, written before
    store.commit([old], [])
    assert {(e.name, e.labels): (e.value, e.step, e.file) for e in store.latest()} == {
        ("loss", (("role", "trainer"),)): (3.0, 2, "a.log"),
        ("kl", (("role", "trainer"),)): (2.0, 1, "a.log"),
    }


def test_equal_shapes_are_one_row_and_more_than_are_cached_are_found_again(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rli_agent.store.rows.CACHED", 3)
    for _ in range(3):
        for i in range(8):
            store.commit([samples(shape(f"k{i}"), [1.0]), interval(1, f"s{i}", 0.0, 1.0)], [checkpoint(f"{i}.log")])
    assert rows(store, "SELECT (SELECT count(*) FROM shapes), (SELECT count(*) FROM states)") == [(8, 8)]
    assert rows(store, "SELECT count(*), count(DISTINCT name) FROM samples") == [(24, 8)]


def test_a_reader_sees_one_committed_state_while_the_writer_goes_on(store: RunStore) -> None:
    of = shape("x")
    store.commit([samples(of, [1.0])], [])
    with closing(read_only(store.path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM samples").fetchone() == (1,)
        with store.transaction():
            store.commit([samples(of, [2.0], 2)], [])
            assert rows(store, "SELECT count(*) FROM samples") == [(1,)]
        assert rows(store, "SELECT count(*) FROM samples") == [(2,)]
        assert reader.execute("SELECT count(*) FROM samples").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM samples").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM line_rows")


@given(st.lists(st.floats(), max_size=4), st.integers(0, 5000))
def test_the_values_of_a_line_are_read_back_also_beside_a_figure_that_no_float_holds(
    values: list[float], digits: int
) -> None:
    stored = [*map(as_kept, values), "1" + "0" * digits]
    found = values_of(f"[{','.join(stored)}]")
    assert [math.isnan(v) for v in found[:-1]] == [math.isnan(v) for v in values]
    assert [v for v in found[:-1] if not math.isnan(v)] == [v for v in values if not math.isnan(v)]
    assert found[-1] == (math.inf if digits > 308 else pytest.approx(10.0**digits))


def as_kept(value: float) -> str:
    """As it stands in the store."""
    return json.dumps(as_printed(value))
