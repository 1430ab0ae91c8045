"""When a run will have done its steps: by what passed from step to step, with evaluations, resumes and sparse logs."""

from __future__ import annotations

from datetime import timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.events import RunFact, Samples, Shape
from rli_agent.pace import Pace, finish
from rli_agent.status import RunStatus

SHAPE = Shape(("loss/mean",), (None,), (None,), (("role", "trainer"),))
BEGAN = 1.8e9


def line(step: int, time: float) -> Samples:
    return Samples("logs/trainer.log", step + 1, 0, time, "logged", step, SHAPE, [0.5], "[0.5]")


def status_of(steps: list[tuple[int, float]], whole: int = 1000, **facts: float) -> RunStatus:
    """A status that was told of (step, seconds since the beginning); `resumed` after so many of them."""
    status = RunStatus(timezone.utc)
    status.record([RunFact("logs/trainer.log", 1, 0, BEGAN, "logged", "max_steps", str(whole))], BEGAN)
    for i, (step, time) in enumerate(steps):
        if i == facts.get("resumed"):
            fact = RunFact("logs/trainer.log", 1, 0, BEGAN + time, "logged", "resumed_from", str(step - 1))
            status.record([fact], BEGAN + time)
        status.record([line(step, BEGAN + time)], BEGAN + time)
    return status


def left(status: RunStatus, time: float) -> float:
    """Seconds until the end, as said at a time."""
    end = status.finishes(BEGAN + time)
    assert end is not None
    return end - BEGAN - time


@pytest.mark.parametrize("every", [1, 5, 10])
def test_it_is_the_same_however_rarely_steps_are_logged(every: int) -> None:
    steps = [(n, 60.0 * n) for n in range(0, 101, every)]
    status = status_of(steps)
    assert status.step_seconds() == pytest.approx(60.0)
    assert left(status, 6000.0) == pytest.approx(900 * 60.0)


def test_evaluations_between_steps_are_counted_in() -> None:
    time, steps = 0.0, []
    for n in range(1, 101):
        time += 60.0 + (600.0 if n % 10 == 0 else 0.0)
        steps.append((n, time))
    status = status_of(steps)
    assert status.step_seconds() == pytest.approx(60.0), "what is usual is a step"
    assert left(status, time) == pytest.approx(900 * 120.0, rel=0.05), "the end is that of steps and evaluations"


def test_what_passed_until_a_resume_is_no_step() -> None:
    steps = [(n, 60.0 * n) for n in range(1, 11)] + [(n, 3000.0 + 60.0 * n) for n in range(11, 21)]
    assert left(status_of(steps, resumed=10), 4200.0) == pytest.approx(980 * 60.0)
    back = [(n, 60.0 * n) for n in range(1, 11)] + [(n, 3000.0 + 60.0 * n) for n in range(6, 16)]
    assert left(status_of(back), 3900.0) == pytest.approx(985 * 60.0)


def test_a_long_pause_says_nothing_of_what_comes() -> None:
    steps = [(n, 60.0 * n + (86_400.0 if n > 10 else 0.0)) for n in range(1, 21)]
    assert left(status_of(steps), 86_400.0 + 1200.0) == pytest.approx(980 * 60.0)


def test_time_passes_within_a_step_and_a_late_one_moves_the_end() -> None:
    status = status_of([(n, 60.0 * n) for n in range(1, 11)], whole=20)
    assert left(status, 630.0) == pytest.approx(10 * 60.0 - 30.0)
    assert left(status, 700.0) == pytest.approx(9 * 60.0)
    assert status.finishes(BEGAN + 3600.0) is None, "nobody knows when a run ends that does not go on"
    assert "ETA" not in status.sentence(BEGAN + 3600.0)


def test_a_run_that_has_not_begun_or_has_done_all_has_no_end_to_come() -> None:
    assert status_of([]).finishes(BEGAN) is None
    assert status_of([(n, 60.0 * n) for n in range(1, 11)], whole=10).finishes(BEGAN + 600.0) is None


def test_two_writers_that_count_otherwise_do_not_make_it_fast() -> None:
    time, steps = 0.0, []
    for n in range(1, 50):
        steps += [(n, time), (n + 7, time + 0.1)]
        time += 60.0
    pace = Pace()
    for (a, at), (b, then) in pairwise(steps):
        pace.passed(then - at, b - a)
    assert pace.usual is None


@given(st.lists(st.floats(0.1, 1e5), min_size=2, max_size=200), st.integers(1, 20))
def test_the_mean_lies_between_the_gaps(gaps: list[float], stride: int) -> None:
    pace = Pace()
    for gap in gaps:
        pace.passed(gap, stride)
    known = [g / stride for g in (gaps if stride == 1 else gaps[1:])][-50:]
    assert pace.usual is not None
    assert pace.mean is not None
    assert min(known) * 0.999 <= pace.mean <= max(known) * 1.001


@given(st.integers(1, 10_000), st.floats(0.1, 1e4), st.floats(0, 1e5))
def test_the_end_is_never_before_now(left: int, a_step: float, since: float) -> None:
    assert finish(left, a_step, 1e9, 1e9 + since) >= 1e9 + since
