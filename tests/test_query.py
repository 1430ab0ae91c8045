"""Questions about one run: what a page, a report and a comparison are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import until
from run_stores import BEGIN, FILE, interval, keep, line, open_store, phases, problem, shape

from rli_agent.events import RolloutBatch, Shape
from rli_agent.query import growing
from rli_agent.query.run import RunQueries
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.store.run_store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    made = open_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def run(store: RunStore) -> Iterator[RunQueries]:
    with RunQueries(store.path) as queries:
        yield queries


def test_states_that_a_line_prints_and_states_with_lines_of_their_own_share_the_timeline(
    store: RunStore, run: RunQueries
) -> None:
    timed = shape("timing/step", "timing/rollout", "timing/train", plan=phases("trainer", "rollout", "train"))
    keep(store, line(timed, 10, 6.0, 4.0, 2.0), interval("orchestrator", "wait", 3.0, 2.5, 10))
    found = run.timeline(width=1000)
    assert [lane.lane for lane in found.lanes] == ["trainer", "orchestrator"]
    told = {
        (lane.lane, found.states[state], round(start - BEGIN, 3), round((end or 0) - start, 3), step, count)
        for lane in found.lanes
        for start, end, state, step, count in lane.intervals
    }
    assert told == {
        ("trainer", "step", 4.0, 6.0, 10, 1), ("trainer", "rollout", 4.0, 4.0, 10, 1),
        ("trainer", "train", 8.0, 2.0, 10, 1), ("orchestrator", "wait", 3.0, 2.5, 10, 1),
    }  # fmt: skip
    assert (found.begin - BEGIN, found.end - BEGIN, found.total) == (3.0, 10.0, 4)


def test_an_open_state_has_no_end_and_one_that_is_over_has(store: RunStore, run: RunQueries) -> None:
    keep(store, interval("trainer", "train", 1.0, 2.0), interval("trainer", "eval", 4.0, None, 7))
    (lane,) = run.timeline().lanes
    assert [(end is None, step) for _, end, _, step, _ in lane.intervals] == [(False, None), (True, 7)]
    keep(store, interval("trainer", "eval", 4.0, 3.0, 7))
    (lane,) = run.timeline().lanes
    assert lane.intervals[-1][1] == BEGIN + 7.0


def test_thousands_of_short_states_become_as_many_rectangles_as_pixels_and_none_is_lost(
    store: RunStore, run: RunQueries
) -> None:
    states = [interval("trainer", ("rollout", "train")[n % 2], n * 2.0, 1.8 if n % 2 else 0.2, n) for n in range(3000)]
    keep(store, *states, interval("trainer", "eval", 6000.0, 600.0, 3000))
    found = run.timeline(width=100)
    (lane,) = found.lanes
    assert len(lane.intervals) <= 102
    assert sum(count for *_, count in lane.intervals) == found.total == 3001
    # What is wider than a pixel stands as it is; of the others the one with most of the time gives the colour.
    assert {found.states[state] for _, _, state, _, count in lane.intervals if count > 1} == {"train"}
    assert (BEGIN + 6000.0, BEGIN + 6600.0, 1) in [(start, end, count) for start, end, _, _, count in lane.intervals]
    zoomed = run.timeline(BEGIN + 100.0, BEGIN + 110.0, width=100)
    assert all(count == 1 for lane in zoomed.lanes for *_, count in lane.intervals)


def test_problems_checkpoints_and_attempts_are_marked(store: RunStore, run: RunQueries) -> None:
    trouble = [problem(f"CUDA out of memory on rank {n}", 50.0 + n / 100, kind="cuda_oom", step=5) for n in range(8)]
    saved = interval("trainer", "save_ckpt", 20.0, 4.0, 2)
    keep(store, interval("trainer", "train", 0.0, 100.0), saved, *trouble, problem("slow", 60.0, level="WARNING"))
    marks = run.timeline(width=100).marks
    assert [(m.kind, m.time - BEGIN, m.count, m.step) for m in marks] == [
        ("checkpoint", 24.0, 1, 2), ("problem", 50.0, 8, 5),
    ]  # fmt: skip
    assert (marks[1].file, marks[1].line, marks[1].severity) == (FILE, 51, "error")


def test_a_curve_grows_with_the_run_and_of_a_step_told_twice_the_later_value_counts(
    store: RunStore, run: RunQueries
) -> None:
    reward = shape("reward", metrics=["rl_reward_mean"])
    keep(store, *(line(reward, step, step / 10) for step in range(5)))
    (curve,) = run.curves(metrics=["rl_reward_mean"]).curves
    assert (curve.x, curve.y, curve.x_is, curve.better) == ([0, 1, 2, 3, 4], [0.0, 0.1, 0.2, 0.3, 0.4], "step", "up")
    keep(store, line(reward, 3, 9.0, time=BEGIN + 50), line(reward, 4, "NaN", time=BEGIN + 51))
    (curve,) = run.curves(ids=[curve.id]).curves
    assert (curve.x, curve.y) == ([0, 1, 2, 3, 4], [0.0, 0.1, 0.2, 9.0, None])
    (by_time,) = run.curves(ids=[curve.id], axis="time").curves
    assert (len(by_time.x), by_time.x_is, by_time.y[-1]) == (7, "time", None)


def test_common_metrics_come_in_base_units_and_native_ones_as_printed(store: RunStore, run: RunQueries) -> None:
    one = shape("trunc", "mem", metrics=["rl_truncated_ratio", None], units=["percent", "GiB"])
    keep(store, line(one, 1, 25.0, 40.0))
    (common,) = run.curves(metrics=["rl_truncated_ratio"]).curves
    (native,) = run.curves(ids=[run.series("mem").series[0].id]).curves
    assert (common.y, common.unit) == ([0.25], "ratio")
    assert (native.y, native.unit) == ([40.0], "GiB")


def test_of_several_series_the_longest_without_an_environment_stands_for_the_run(
    store: RunStore, run: RunQueries
) -> None:
    def of(*labels: tuple[str, str]) -> Shape:
        return shape("reward", metrics=["rl_reward_mean"], labels=labels)

    console, file, math = of(("role", "trainer")), of(("role", "metrics")), of(("environment", "math"))
    keep(store, line(console, 1, 1.0), line(math, 1, 5.0), *(line(file, n, 2.0) for n in range(3)))
    (curve,) = run.curves(metrics=["rl_reward_mean"]).curves
    assert curve.labels == {"role": "metrics"}


def test_series_are_found_by_words_of_name_common_name_and_labels(store: RunStore, run: RunQueries) -> None:
    keep(store, line(shape("actor/KL", "lr", metrics=["rl_policy_kl", None], labels=(("rank", "3"),)), 4, 0.5, "NaN"))
    (found,) = run.series("policy KL 3").series
    assert (found.name, found.labels, found.count) == ("actor/KL", {"rank": "3"}, 1)
    assert (found.last, found.last_step) == (0.5, 4)
    assert run.series("lr").series[0].last is None
    assert [s.name for s in run.series("", limit=1).series] == ["actor/KL"]
    assert run.series().total == 2
    assert run.series("entropy").series == []


def test_steps_are_broken_down_and_a_step_that_is_done_again_counts_anew(store: RunStore, run: RunQueries) -> None:
    timed = shape("timing/step", "timing/rollout", "timing/train", plan=phases("trainer", "rollout", "train"))
    keep(store, line(timed, 1, 6.0, 4.0, 2.0), line(timed, 2, 8.0, 5.0, 3.0, time=BEGIN + 20))
    keep(store, line(timed, 2, 9.0, 1.0, 7.0, time=BEGIN + 90))
    (lane,) = run.steps().lanes
    assert (lane.steps, lane.states, lane.whole) == ([1, 2], ["rollout", "train"], [6.0, 9.0])
    assert [[round(s, 3) for s in row] for row in lane.seconds] == [[4.0, 1.0], [2.0, 7.0]]
    assert run.steps(last=1).lanes[0].steps == [2]


def test_problems_of_one_make_are_told_once(store: RunStore, run: RunQueries) -> None:
    keep(store, *(problem(f"worker {n} at 0x{n:x} died of 'x{n}'", n, kind="worker_death", step=n) for n in range(9)))
    keep(store, problem("the disk is full", 20.0, kind="disk_full"))
    full, died = run.problems().problems
    assert (full.kind, full.times, run.problems().total) == ("disk_full", 1, 10)
    assert (died.times, died.first_step, died.last_step, died.title) == (9, 0, 8, "worker 8 at 0x8 died of 'x8'")


def test_the_heat_map_adds_up_files_and_merges_steps_where_columns_are_few(store: RunStore, run: RunQueries) -> None:
    for step in range(10):
        for file in ("a", "b"):
            total = RolloutStatistics(2)
            total.add("reward", 0.05 * step)
            total.add("reward", 1.0)
            keep(store, RolloutBatch(f"{file}{step}", 1, 0, BEGIN, "logged", step, "train", file, total))
    whole = run.heat()
    assert (whole.steps, whole.environments, whole.phases) == (list(range(10)), ["a", "b"], ["train"])
    assert [sum(column) for column in whole.counts] == [4] * 10
    assert whole.mean[4] == pytest.approx(0.6)
    few = run.heat(environment="a", columns=3)
    assert (few.steps, [sum(c) for c in few.counts]) == ([0, 4, 8], [8, 8, 4])
    assert run.heat(quantity="no such").counts == []


def test_times_that_settle_later_reach_what_was_read_before(
    store: RunStore, run: RunQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "RARELY", 1e12)  # not because all is read again anyway
    timed = shape("timing/step", plan=phases("trainer"))
    unplaced = line(timed, 1, 2.0)
    unplaced.time = None
    keep(store, unplaced, interval("orchestrator", "wait", 5.0, 1.0))
    assert run.timeline().total == 1
    store.place(FILE, [(unplaced.line, BEGIN + 30.0)])
    assert run.timeline().lanes[0].intervals[0][:2] == (BEGIN + 28.0, BEGIN + 30.0)
    store.shift(FILE, lambda _: 86_400.0, None)
    assert run.timeline().lanes[1].intervals[0][:2] == (BEGIN + 86_405.0, BEGIN + 86_406.0)


def test_a_figure_that_gets_its_digits_later_is_shown_with_them(store: RunStore, run: RunQueries) -> None:
    keep(store, line(shape("lr"), 1, 0.3))
    one = run.series("lr").series[0].id
    assert run.curves([one]).curves[0].y == [0.3]
    store.correct([line(shape("lr"), 1, 0.3125)])
    until(lambda: run.curves([one]).curves[0].y == [0.3125], "the digits")
