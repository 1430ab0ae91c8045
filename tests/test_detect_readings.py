"""What detectors see of events: common names in base units, and series that follow from several events."""

from __future__ import annotations

import json

from rli_agent.detect.engine import Alert, Engine
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import DERIVED, STEP_SECONDS, Derived, Reader, Reading
from rli_agent.events import Event, Interval, Labels, Level, Phase, Plan, Problem, RolloutBatch, Samples, Shape, Source
from rli_agent.rollout_statistics import RolloutStatistics

SOURCE = Source("train.log", "trainer", "trainer")
DETECTORS = packaged()


def read(events: list[Event], *wanted: str) -> list[Reading]:
    return [r for line in Reader([*wanted, *DERIVED], Derived()).read(events, SOURCE) for r in line]


def samples(shape: Shape, *values: float, step: int = 1, time: float | None = 10.0) -> Samples:
    return Samples("train.log", step, 0, time, "logged", step, shape, list(values), json.dumps(values))


def named(metric: str, unit: str | None = None, labels: Labels = ()) -> Shape:
    return Shape((f"native/{metric}",), (unit,), (metric,), labels)


def interval(state: str, step: int, start: float, end: float | None) -> Interval:
    return Interval("train.log", step, 0, "logged", "trainer", state, step, start, end)


def problem(time: float, kind: str = "other", level: Level = "ERROR") -> Problem:
    return Problem("train.log", 1, 0, time, "logged", level, kind, "message")


def judged(events: list[Event]) -> list[Alert]:
    engine = Engine(DETECTORS)
    reader = Reader(engine.wanted, engine.state.derived)
    return [alert for line in reader.read(events, SOURCE) for alert in engine.record(line)]


def test_figures_come_in_base_units_under_the_common_and_the_own_name() -> None:
    event = samples(named("rl_truncated_ratio", "percent"), 25.0)
    found = read([event], "rl_truncated_ratio", "native/rl_truncated_ratio")
    assert [(r.name, r.value) for r in found] == [("rl_truncated_ratio", 0.25), ("native/rl_truncated_ratio", 25.0)]


def test_what_nobody_looks_for_is_passed_over() -> None:
    assert read([samples(named("rl_learning_rate"), 1e-6)]) == []


def test_parts_of_a_series_are_not_looked_at() -> None:
    event = samples(named("rl_reward_mean", None, (("environment", "math"),)), 0.5)
    assert read([event], "rl_reward_mean") == []


def test_the_duration_of_a_step_comes_from_a_line_or_from_an_interval() -> None:
    plan = Plan("trainer", (Phase(0, "step", "timing/step", "step"), Phase(1, "wait", "timing/wait", "inside")))
    line = samples(Shape(("timing/step", "timing/wait"), ("s", "s"), (None, None), (), plan), 20.0, 15.0)
    found = {(r.name, r.role): r.value for r in read([line], STEP_SECONDS)}
    assert found == {(STEP_SECONDS, "trainer"): 20.0, ("run:wait_share", "trainer"): 0.75}
    assert [r.value for r in read([interval("step", 1, 5.0, 12.0)], STEP_SECONDS)] == [7.0]
    assert read([interval("step", 1, 5.0, None)], STEP_SECONDS) == []


def test_a_checkpoint_that_does_not_come_is_told_and_so_is_that_it_came() -> None:
    events: list[Event] = []
    for step in range(1, 100):
        events.append(interval("step", step, 10.0 * step, 10.0 * step + 9))
        if step % 10 == 0 and (step <= 30 or step >= 80):
            events.append(interval("save_ckpt", step, 10.0 * step + 9, 10.0 * step + 10))
    found = [(a.detector, a.status, a.step) for a in judged(events)]
    assert found == [("checkpoint_overdue", "firing", 53), ("checkpoint_overdue", "resolved", 81)]


def test_many_problems_in_ten_minutes_are_a_storm_until_they_are_over() -> None:
    events: list[Event] = [problem(10.0 * n) for n in range(55)]
    events += [interval("step", n, 600.0 * n, 600.0 * n + 599) for n in range(1, 6)]
    found = [(a.detector, a.status) for a in judged(events)]
    assert found == [("problem_storm", "firing"), ("problem_storm", "resolved")]


def test_problems_spread_over_a_day_and_those_of_environments_are_no_storm() -> None:
    assert judged([problem(900.0 * n) for n in range(100)]) == []
    assert judged([problem(1.0 * n, "env_error") for n in range(100)]) == []
    assert judged([problem(1.0 * n, level="WARNING") for n in range(100)]) == []


def test_rollouts_that_fail_or_are_unreadable_raise_alerts() -> None:
    def batch(step: int, statistics: RolloutStatistics) -> RolloutBatch:
        return RolloutBatch(f"step_{step}.jsonl", 1, 0, 1.0, "estimated", step, "train", "math", statistics)

    errors: list[Event] = [batch(step, RolloutStatistics(100, errors=20)) for step in range(8)]
    assert [a.detector for a in judged(errors)] == ["rollout_errors"]
    garbled: list[Event] = [batch(s, RolloutStatistics(100, garbled=40 if s >= 20 else 0)) for s in range(30)]
    assert [(a.detector, a.severity) for a in judged(garbled)][-1:] == [("garbled_output", "warning")]
    always: list[Event] = [batch(step, RolloutStatistics(100, garbled=40)) for step in range(30)]
    assert [(a.detector, a.severity) for a in judged(always)] == [("garbled_output", "info")]
    fine: list[Event] = [batch(step, RolloutStatistics(100, errors=1, garbled=1)) for step in range(8)]
    assert judged(fine) == []
