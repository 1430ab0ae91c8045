"""The page at 100,000 points and 50,000 intervals: all of them count, few are sent."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from rli_agent.query.log_windows import LogsWanted
from rli_agent.query.run import RunQueries

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunQueries]:
    place = Path(__file__).parents[1] / "benchmarks" / "large_run.py"
    spec = importlib.util.spec_from_file_location("large_run", place)
    assert spec is not None
    assert spec.loader is not None
    large_run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(large_run)
    store = tmp_path_factory.mktemp("large") / "runs" / "large-00000000" / "run.sqlite"
    large_run.write_large_run(store)
    with RunQueries(store) as queries:
        yield queries


def test_the_timeline_counts_all_intervals_in_as_many_rectangles_as_pixels(run: RunQueries) -> None:
    found = run.timeline(width=1000)
    assert found.total == 50_000
    assert sum(count for lane in found.lanes for *_, count in lane.intervals) == 50_000
    assert all(len(lane.intervals) <= 2002 for lane in found.lanes)
    assert len(found.marks) <= 500


def test_a_curve_of_100_000_points_keeps_its_extremes(run: RunQueries) -> None:
    (few,) = run.curves(metrics=["rl_reward_mean"], width=500).curves
    (all_of_it,) = run.curves(ids=[few.id], width=100_000).curves
    assert (few.count, len(all_of_it.y)) == (100_000, 100_000)
    assert len(few.y) <= 1502
    assert {min(y for y in all_of_it.y if y is not None), max(y for y in all_of_it.y if y is not None)} <= set(few.y)
    zoomed = run.curves(ids=[few.id], since=500, until=600).curves[0]
    assert zoomed.x == list(range(500, 601))


def test_any_part_of_the_log_is_shown(run: RunQueries) -> None:
    lines = run.logs(LogsWanted(at=1.76e9 + 70_000, before=3, after=3)).lines
    assert [line.line for line in lines] == list(range(69_998, 70_004))
