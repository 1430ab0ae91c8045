"""The rules behind a status: what makes a run degraded or down, what is a spike, how figures are written."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.answer.health import Health, judge, overdue
from rli_agent.answer.performance import shares, who_waits
from rli_agent.answer.report import Progress, Series, Share, Told, Trouble
from rli_agent.answer.stability import LEAST, spikes
from rli_agent.life.state import LifeState, Open
from rli_agent.reporters.figures import curve, figure, scaled

NOW = 1_800_000_000.0
finite = st.floats(-1e12, 1e12, allow_nan=False)


def progress(life: str = "running", **more: Any) -> Progress:
    return Progress(life, **{"step": 40, "step_seconds": 60.0, "last_written_at": NOW, **more})


def problem(kind: str, ago: float = 10.0, count: int = 1) -> Trouble:
    return Trouble(kind, "ERROR", f"{kind} happened", "trainer.log", 7, NOW - ago, count=count)


@pytest.mark.parametrize(
    ("life", "health"),
    [("starting", "Healthy"), ("running", "Healthy"), ("finished", "Healthy"), ("stalled", "Down"), ("failed", "Down"),
     ("cancelled", "Down"), ("preempted", "Down")],
)  # fmt: skip
def test_the_life_alone(life: str, health: Health) -> None:
    assert judge(progress(life), [], [], [], None).health == health


@pytest.mark.parametrize(
    ("problems", "health"),
    [
        ([problem("cuda_oom")], "Degraded"),
        ([problem("cuda_oom", ago=901.0)], "Healthy"),
        ([problem("env_error")], "Healthy"),
        ([problem("env_error", count=10)], "Degraded"),
        ([problem("other")] * 9, "Healthy"),
        ([problem("other")] * 10, "Degraded"),
        ([problem("other", ago=901.0)] * 10, "Healthy"),
    ],
)
def test_problems(problems: list[Trouble], health: Health) -> None:
    assert judge(progress(), [], problems, [], None).health == health


def test_three_usual_steps_keep_a_problem_fresh() -> None:
    assert judge(progress(step_seconds=600.0), [], [problem("nccl", ago=1700.0)], [], None).health == "Degraded"


def test_messages_count_while_they_are_open() -> None:
    open_, over = (Told("entropy_collapse", "warning", "entropy collapses", NOW, o) for o in (True, False))
    assert judge(progress(), [], [], [open_], None) == ("Degraded", ["entropy collapses"])
    assert judge(progress(), [], [], [over], None).health == "Healthy"


def test_a_finished_run_is_healthy_whatever_was() -> None:
    assert judge(progress("finished"), [], [problem("nccl")], [], None).health == "Healthy"


@pytest.mark.parametrize(("metric", "value"), [("rl_errored_ratio", 0.06), ("rl_truncated_ratio", 0.51)])
def test_rollouts(metric: str, value: float) -> None:
    assert judge(progress(), [Series(metric, value)], [], [], None).health == "Degraded"
    assert judge(progress(), [Series(metric, value - 0.02)], [], [], None).health == "Healthy"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (LifeState(gaps=[60.0] * 9, longest_gap=60.0, step_at=NOW - 299.0), False),
        (LifeState(gaps=[60.0] * 9, longest_gap=60.0, step_at=NOW - 301.0), True),
        (LifeState(gaps=[1.0] * 9, longest_gap=1.0, step_at=NOW - 100.0), False),
        (LifeState(gaps=[60.0] * 9, longest_gap=900.0, step_at=NOW - 1200.0), False),
        (LifeState(gaps=[60.0] * 9, step_at=NOW - 999.0, open={"e": Open("trainer", "eval", NOW - 900.0)}), False),
        (LifeState(gaps=[60.0] * 9, step_at=NOW - 999.0, aside_at=NOW - 100.0), False),
        (LifeState(step_at=NOW - 9999.0), False),
        (LifeState(), False),
    ],
)
def test_a_late_step(state: LifeState, said: bool) -> None:
    assert bool(overdue(state, NOW)) is said


# -- spikes


def steps(values: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(values))


@given(value=finite, count=st.integers(1, 80))
def test_what_never_changes_has_no_spikes(value: float, count: int) -> None:
    assert spikes(steps([value] * count)) == []


@given(st.lists(st.floats(0.5, 1.5), min_size=LEAST + 1, max_size=60))
def test_what_stays_within_a_factor_of_three_has_no_spikes(values: list[float]) -> None:
    assert spikes(steps(values)) == []


@given(
    st.lists(st.floats(0.9, 1.1), min_size=LEAST, max_size=60), st.sampled_from([100.0, 0.01]),
    st.sampled_from([1.0, 1e-6, 1e6]),
)  # fmt: skip
def test_what_is_a_hundred_times_away_is_a_spike_in_any_unit(values: list[float], outlier: float, unit: float) -> None:
    found = spikes(steps([v * unit for v in [*values, outlier]]))
    assert [s.step for s in found] == [len(values)]


@given(st.lists(finite, max_size=30), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_is_a_spike_at_any_time(values: list[float], value: float) -> None:
    assert len(values) in [s.step for s in spikes(steps([*values, value]))]


# -- who waits for whom


def test_shares_count_what_is_not_done_at_every_step_accordingly_less() -> None:
    usual = {"trainer\0step": [10.0] * 20, "trainer\0wait": [4.0] * 20, "trainer\0save_ckpt": [20.0] * 2}
    found = {s.state: s.share for s in shares(usual, {"trainer": ("step", 10.0)})}
    assert found == {"wait": 0.4, "save_ckpt": pytest.approx(0.2)}


@pytest.mark.parametrize(
    ("parts", "trainer", "orchestrator", "said"),
    [
        ([Share("trainer", "wait", 4.0, 0.4)], 10.0, 10.0, "the trainer waits for its batch 40%"),
        ([Share("orchestrator", "wait", 4.0, 0.4)], 10.0, 10.0, "orchestrator waits for the trainer 40%"),
        ([], 10.0, 20.0, "rollouts take longer"),
        ([], 20.0, 10.0, "the trainer's steps take longer"),
        ([], 10.0, 10.5, None),
        ([], None, None, None),
    ],
)
def test_who_waits(parts: list[Share], trainer: float | None, orchestrator: float | None, said: str | None) -> None:
    told = who_waits(parts, trainer, orchestrator)
    assert told is None if said is None else told is not None and said in told


# -- figures


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("rl_truncated_ratio", 0.0123, "1.2%"), ("rl_step_duration_seconds", 95.0, "2 min"),
        ("rl_throughput_tokens_per_second", 21910.0, "21.91k tok/s"), ("rl_grad_norm", 0.085, "0.085"),
        ("rl_grad_norm", math.nan, "NaN"), ("rl_loss", -math.inf, "-inf"), ("rl_reward_mean", 1234.5, "1234"),
    ],
)  # fmt: skip
def test_figures(metric: str, value: float, said: str) -> None:
    assert figure(metric, value) == said


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_figure_is_short(value: float) -> None:
    assert len(scaled(value)) <= 12


@given(st.lists(st.floats()), st.integers(0, 60), st.booleans())
def test_a_curve_is_never_wider_than_its_room(values: list[float], width: int, unicode: bool) -> None:
    drawn = curve(values, width, unicode)
    assert len(drawn) == min(width, len(values))
    assert unicode or drawn.isascii()


def test_a_curve_rises_with_its_values() -> None:
    assert curve([1.0, 2.0, math.nan, 8.0], 10) == "▁▂!█"
