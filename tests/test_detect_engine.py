"""The engine's laws: what raises an alert, what ends it, and what changes nothing."""

from __future__ import annotations

import math
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.detect.engine import Alert, Engine, State
from rli_agent.detect.language import Case, Detector, Level, NotFinite, Shift
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import Reading

DETECTORS = packaged()
KL, LOSS, GRAD, REWARD = "rl_policy_kl", "rl_policy_loss", "rl_grad_norm", "rl_reward_mean"


def kept(state: State) -> State:
    """As it survives the agent."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)


def reading(name: str, step: int | None, value: float, file: str = "train.log") -> Reading:
    return Reading(name, name, "trainer", (), file, step, None, value)


def feed(engine: Engine, name: str, values: list[float], start: int = 0) -> list[Alert]:
    alerts = []
    for step, value in enumerate(values, start):
        alerts += engine.record([reading(name, step, value)])
    return alerts


def steady(level: float, count: int, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [level * math.exp(0.05 * rng.gauss(0, 1)) for _ in range(count)]


def raised(alerts: list[Alert]) -> list[tuple[str, str, int | None]]:
    return [(a.detector, a.status, a.step) for a in alerts]


def test_an_alert_is_raised_once_cleared_and_armed_again() -> None:
    engine = Engine(DETECTORS)
    alerts = feed(engine, KL, steady(0.05, 60) + steady(0.2, 20, 1) + steady(0.05, 60, 2) + steady(0.2, 20, 3))
    assert [(a.detector, a.status) for a in alerts] == [("kl_explosion", "firing"), ("kl_explosion", "resolved"),
                                                        ("kl_explosion", "firing")]  # fmt: skip
    first, over, second = alerts
    assert first.step in range(60, 67)
    assert over.step in range(80, 96)
    assert first.id == over.id != second.id


def test_what_gets_much_worse_is_told_again_as_critical() -> None:
    engine = Engine(DETECTORS)
    alerts = feed(engine, KL, steady(0.05, 60) + steady(0.2, 10, 1) + steady(3.0, 10, 2))
    assert [a.severity for a in alerts] == ["warning", "critical"]
    assert alerts[0].id == alerts[1].id


def test_figures_that_are_not_finite_blind_nothing() -> None:
    """A NaN in a window makes its mean and spread NaN, and hides what comes after, unless it is left out."""
    engine = Engine(DETECTORS)
    feed(engine, KL, [*steady(0.05, 40), math.nan, *steady(0.05, 19, 1)])
    alerts = feed(engine, KL, steady(0.5, 10, 2), start=60)
    assert ("kl_explosion", "firing") in [(a.detector, a.status) for a in alerts]


def test_nan_mutes_its_consequences() -> None:
    engine = Engine(DETECTORS)
    for step, kl in enumerate(steady(0.05, 60)):
        engine.record([reading(KL, step, kl), reading(LOSS, step, 0.1)])
    alerts = []
    for step, kl in enumerate(steady(5.0, 20, 1), 60):
        alerts += engine.record([reading(LOSS, step, math.nan), reading(KL, step, kl)])
    assert raised(alerts) == [("nan_loss", "firing", 60)]


def test_alerts_of_a_group_are_one_incident() -> None:
    engine = Engine(DETECTORS)
    alerts = []
    for step, (kl, grad) in enumerate(zip(steady(0.05, 60), steady(1.0, 60, 5), strict=True)):
        alerts += engine.record([reading(KL, step, kl), reading(GRAD, step, grad)])
    assert not alerts
    for step, (kl, grad) in enumerate(zip(steady(0.5, 20, 1), steady(30.0, 20, 6), strict=True), 60):
        alerts += engine.record([reading(KL, step, kl), reading(GRAD, step, grad)])
    assert {a.detector for a in alerts} == {"kl_explosion", "grad_spike"}
    assert len({a.incident for a in alerts}) == 1


def test_a_lone_spike_is_nothing() -> None:
    values = steady(1.0, 100)
    for place in (30, 55, 80):
        values[place] *= 100
    assert not feed(Engine(DETECTORS), GRAD, values)


def test_a_constant_figure_that_moves_by_a_hair_is_nothing() -> None:
    assert not feed(Engine(DETECTORS), KL, [0.05] * 60 + [0.050001] * 60)


def test_going_back_to_a_checkpoint_forgets_what_came_after_it() -> None:
    engine = Engine(DETECTORS)
    alerts = feed(engine, KL, steady(0.05, 60) + steady(0.5, 6, 1))
    assert raised(alerts)[0][:2] == ("kl_explosion", "firing")
    again = feed(engine, KL, steady(0.05, 40, 2), start=50)
    assert [(a.detector, a.status) for a in again] == [("kl_explosion", "resolved")]
    assert feed(engine, KL, steady(0.5, 6, 3), start=90)[0].status == "firing"


def test_a_second_file_that_says_the_same_counts_once() -> None:
    engine = Engine(DETECTORS)
    for step, value in enumerate(steady(1.0, 50)):
        engine.record([reading(GRAD, step, value)])
        engine.record([reading(GRAD, step - 1, value, "metrics.jsonl")])
    (history,) = engine.state.histories
    assert history.steps == list(range(50))


def test_a_run_that_goes_on_in_another_file_is_followed() -> None:
    engine = Engine(DETECTORS)
    feed(engine, GRAD, steady(1.0, 50))
    for step, value in enumerate(steady(1.0, 20, 1), 40):
        engine.record([reading(GRAD, step, value, "attempt_2/train.log")])
    (history,) = engine.state.histories
    assert history.steps[-1] == 59
    assert history.file == "attempt_2/train.log"


def test_a_threshold_on_a_key_of_ones_own() -> None:
    case = Case(series="actor/lr", when=[Level(above=1e-3, times=2, of=3)])
    engine = Engine([Detector(name="lr_too_high", about="", todo="", cases=[case], clear=2)])
    alerts = feed(engine, "actor/lr", [1e-4, 2e-3, 1e-4, 2e-3, 1e-4, 1e-4])
    assert raised(alerts) == [("lr_too_high", "firing", 3), ("lr_too_high", "resolved", 5)]


def test_a_case_holds_for_as_many_samples_as_it_says() -> None:
    case = Case(series="x", when=[NotFinite()], hold=3)
    engine = Engine([Detector(name="d", about="", todo="", cases=[case])])
    assert raised(feed(engine, "x", [math.nan] * 2 + [1.0] + [math.inf] * 3)) == [("d", "firing", 5)]


def test_a_trend_that_goes_on_is_no_shift() -> None:
    growing = [0.01 * 1.03**step for step in range(150)]
    for follow, expected in ((True, 0), (False, 1)):
        case = Case(series="x", when=[Shift(towards="up", by=1.5, sigmas=5, gap=10, follow=follow)])
        assert len(feed(Engine([Detector(name="d", about="", todo="", cases=[case])]), "x", growing)) == expected


def test_a_wave_late_in_a_long_run_is_no_collapse_and_a_fall_back_to_the_beginning_is_one() -> None:
    rng = random.Random(4)
    climb = [0.7 - 0.6 * math.exp(-step / 200) + 0.01 * rng.gauss(0, 1) for step in range(600)]
    for depth, expected in ((0.1, False), (0.5, True)):
        dipped = [value - depth * (500 < step < 520) for step, value in enumerate(climb)]
        alerts = feed(Engine(DETECTORS), REWARD, dipped)
        assert any(a.detector == "reward_collapse" for a in alerts) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 140))
def test_a_restart_at_any_step_changes_nothing(seed: int, at: int) -> None:
    rng = random.Random(seed)
    level = 0.05
    rows = []
    for step in range(140):
        level *= rng.choice([1.0] * 30 + [4.0, 0.25])
        rows.append([reading(KL, step, level * math.exp(rng.gauss(0, 0.1))),
                     reading(LOSS, step, math.nan if rng.random() < 0.02 else 0.1)])  # fmt: skip
    whole = Engine(DETECTORS)
    expected = [alert for row in rows for alert in whole.record(row)]
    engine = Engine(DETECTORS)
    got = [alert for row in rows[:at] for alert in engine.record(row)]
    engine = Engine(DETECTORS, kept(engine.state))
    got += [alert for row in rows[at:] for alert in engine.record(row)]
    assert [(a.id, a.status, a.severity, a.step) for a in got] == [
        (a.id, a.status, a.severity, a.step) for a in expected
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-3, 200) | st.none(), st.floats()), max_size=80))
def test_no_figures_break_it(samples: list[tuple[int | None, float]]) -> None:
    engine = Engine(DETECTORS)
    for step, value in samples:
        engine.record([reading(name, step, value) for name in (KL, LOSS, GRAD, "rl_reward_mean", "rl_policy_entropy")])
    kept(engine.state)
