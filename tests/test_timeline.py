"""States laid out from printed durations: the parser's way and the store's view agree, and obey their laws."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.events import Samples, Shape
from rli_agent.parsers.packs import Layout, When
from rli_agent.parsers.timeline import intervals, lasted, plan_of
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

NAMES = ("t/step", "t/gen", "t/adv", "t/async", "t/test", "t/save")
LAYOUT = Layout(
    "trainer", None, "t/step", "step", {"t/gen": "rollout", "t/adv": "advantage"},
    {"t/test": "eval", "t/save": "save_ckpt"}, {"t/async": "rollout"},
)  # fmt: skip


def samples(values: list[float], time: float | None) -> Samples:
    plan = plan_of([LAYOUT], NAMES, "unknown")
    shape = Shape(NAMES, (None,) * 6, (None,) * 6, (), plan)
    printed = json.dumps([v if v == v else "NaN" for v in values])
    return Samples("a.log", 3, 100, time, "logged", 7, shape, values, printed)


def test_the_parts_of_a_step_lie_where_they_ran() -> None:
    found = [(i.state, i.start, i.end) for i in intervals(samples([10.0, 4.0, 1.0, 12.0, 3.0, 2.0], 1000.0))]
    assert found == [
        ("step", 985.0, 995.0), ("rollout", 985.0, 989.0), ("advantage", 989.0, 990.0),
        ("rollout", 983.0, 995.0), ("eval", 995.0, 998.0), ("save_ckpt", 998.0, 1000.0),
    ]  # fmt: skip


def test_a_line_without_time_is_laid_out_relative_to_itself() -> None:
    found = {i.state: (i.start, i.end) for i in intervals(samples([10.0, 0.0, 0.0, 0.0, 0.0, 2.0], None))}
    assert found == {"step": (-12.0, -2.0), "save_ckpt": (-2.0, 0.0)}


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -1.0, 1e12])
def test_what_is_no_duration_takes_no_time(nonsense: float) -> None:
    found = [i.state for i in intervals(samples([10.0, nonsense, 1.0, 0.0, 0.0, 0.0], 50.0))]
    assert found == ["step", "advantage"]


def test_the_first_layout_that_holds_is_taken() -> None:
    other = Layout("other", When(has=["t/no*"]), phases={"t/gen": "rollout"})
    lacks = Layout("third", When(lacks=["t/*"]), phases={"t/gen": "rollout"})
    plan = plan_of([other, lacks, LAYOUT], NAMES, "unknown")
    assert plan is not None
    assert plan.lane == "trainer"
    assert plan_of([other, lacks], NAMES, "unknown") is None


durations = st.one_of(st.floats(0, 1e5), st.just(float("nan")), st.floats(-5, 0), st.integers(0, 100).map(float))


@pytest.mark.real
@settings(max_examples=60, deadline=None)
@given(st.lists(durations, min_size=6, max_size=6), st.floats(1e9, 2e9))
def test_the_store_lays_out_as_the_parser_does(values: list[float], time: float) -> None:
    line = samples(values, time)
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(Path(folder) / "s", RunRow("r", "/r", 0.0))
        store.commit([line], [])
        with closing(read_only(store.path)) as db:
            stored = db.execute('SELECT lane, state, key, step, start, "end", duration FROM intervals').fetchall()
        store.close()
    told = [(i.lane, i.state, i.key, i.step, i.start, i.end, i.duration) for i in intervals(line)]
    assert len(stored) == len(told)
    for a, b in zip(sorted(stored, key=str), sorted(told, key=str), strict=True):
        assert a[:4] == b[:4]
        assert a[4:] == pytest.approx(b[4:], abs=2e-6)
    assert line.shape.plan is not None
    starts = [i.start for i in intervals(line) if i.key != "t/async" and i.start is not None]
    assert min(starts, default=time) >= time - lasted(line.shape.plan, values) - 1e-6
