"""Tests of detectors as PromQL: what a Prometheus can say of a run's figures that the agent publishes.

A detector's windows count steps, those of PromQL are times. So the same windows are written for several paces: at a
pace of `step` seconds a window of n steps is n times that long, and serves runs whose usual step takes between a fourth
of `step` and all of it. Such a window holds at least the n steps that the detector asks for, and a look every `step`
seconds never sees the same step twice. Expressions need Prometheus 2.7 (subqueries), and nothing that is experimental.
"""

from __future__ import annotations

import math

from rli_agent.detect.language import AnyTest, Case, Level, LostGain, Names, NotFinite, Shift, Single, Some, Spikes
from rli_agent.detect.robust import FLOOR
from rli_agent.publish.naming import NAMESPACE, metric_name

#: The labels by which figures of a run are brought together.
RUN = "project, experiment_name, run"
#: For how long a figure that was not finite is told.
SHOWN = "5m"
#: Series that follow from several events, made of what the agent publishes.
DERIVED = {
    "run:wait_share": (
        'sum without (state) (rl_phase_duration_seconds{state="wait"}) / ignoring (state) '
        "(rl_step_duration_seconds > 0)"
    ),
    "run:problems": (
        f"sum by ({RUN}, framework) (increase(rl_problems_total{{"
        'level=~"ERROR|CRITICAL", kind!~"env_error|kv_preemption|nan"}[10m]))'
    ),
    "run:rollout_errors": 'rl_rollout_errored_ratio{stat="train"}',
    "run:rollout_garbled": 'rl_rollout_garbled_ratio{stat="train"} + rl_rollout_empty_ratio{stat="train"}',
    "run:rollout_repetitive": 'rl_rollout_repetitive_ratio{stat="train"}',
}


class CannotSay(ValueError):
    """PromQL has no words for it; the message says why."""


class Recorded:
    """The series that the expressions need, by the name under which a recording rule keeps them: those without what is
    not finite, and their logarithms, without the first steps of a run."""

    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self._warmup: dict[str, int] = {}

    def finite(self, names: Names) -> str:
        """A series as it is."""
        name = _one(names)
        if name.startswith("run:"):
            self.rules[name] = published(name)
            return name
        recorded = f"run:{_legal(name)}:finite"
        self.rules[recorded] = f"{published(name)} < Inf > -Inf"
        return recorded

    def settled(self, names: Names, test: Shift) -> str:
        """A series once its warm-up is over, on the test's scale."""
        source = self.finite(names)
        recorded = f"{source.removesuffix(':finite')}:{'log' if test.scale == 'log' else 'settled'}"
        after = self._warmup[recorded] = max(test.warmup, self._warmup.get(recorded, 0))
        value = f"ln(clamp_min(abs({source}), {test.floor:g}))" if test.scale == "log" else source
        step = f" and on ({RUN}) (max by ({RUN}) (rl_step) > {after})" if after else ""
        self.rules[recorded] = value + step
        return recorded


def published(name: str) -> str:
    """The series as a selector, whole: not by environment or rank. Raises CannotSay."""
    if name.startswith("run:"):
        if name not in DERIVED:
            raise CannotSay(f"`{name}` is known to the agent alone")
        return DERIVED[name]
    return f'{_legal(name)}{{environment="", rank=""}}'


def case(case: Case, step: int, recorded: Recorded, by: float | None = None) -> str:
    """The series for which a case holds. `by`: the factor of its first test instead of its own. Raises CannotSay."""
    first, *others = case.when
    text = _test(first, case.series, step, recorded, by)
    for test in others:
        text = _also(text, test, case.series, step, recorded)
    for test in case.unless:
        text += f"\nunless on ({RUN}) ({_test(test, case.series, step, recorded)})"
    return text


def _also(text: str, test: AnyTest, own: Names, step: int, recorded: Recorded) -> str:
    """Where a second test holds too."""
    held = _test(test, own, step, recorded)
    if test.optional and test.series is not None:
        held += f"\n    or (rl_step unless on ({RUN}) {recorded.finite(test.series)})"
    return f"{text}\nand on ({RUN}) (\n    {held}\n)"


def _test(test: AnyTest, own: Names, step: int, recorded: Recorded, by: float | None = None) -> str:
    if isinstance(test, Some):
        parts = " or ".join(
            f'label_replace(max by ({RUN}) ({_single(t, own, step, recorded)}), "test", "{i}", "", "")'
            for i, t in enumerate(test.of)
        )
        return f"count by ({RUN}) ({parts}) >= {test.least}"
    return _single(test, own, step, recorded, by)


def _single(test: Single, own: Names, step: int, recorded: Recorded, by: float | None = None) -> str:
    series = own if test.series is None else test.series
    if isinstance(test, Shift):
        return _shift(test, series, step, recorded, by)
    if isinstance(test, Level):
        return _level(test, recorded.finite(series), step)
    if isinstance(test, Spikes):
        x, of = recorded.finite(series), _time(test.of * step)
        usual = f"quantile_over_time(0.5, {x}[{_time(test.baseline * step)}] offset {of})"
        return f"sum_over_time(({x} > bool {test.by:g} * {usual})[{of}:{_time(step)}]) >= {test.times}"
    if isinstance(test, NotFinite):
        x = published(_one(series))
        return f"max_over_time((({x} != bool {x}) + (abs({x}) == bool Inf))[{SHOWN}:15s]) > 0"
    if isinstance(test, LostGain):
        raise CannotSay("it asks for the level from which the run began to climb, which lies before every window")
    raise CannotSay("its window grows with the run, and a range in PromQL is fixed")


def _level(test: Level, x: str, step: int) -> str:
    bounds = ((">", test.above), ("<", test.below))
    of = test.of or test.times
    window = f"[{_time(of * step)}:{_time(step)}]"
    sides = [
        f"{x} {sign} {bound:g}" if of == 1 else f"sum_over_time(({x} {sign} bool {bound:g}){window}) >= {test.times}"
        for sign, bound in bounds
        if bound is not None
    ]
    return f"({' or '.join(sides)})"


def _shift(test: Shift, series: Names, step: int, recorded: Recorded, by: float | None) -> str:
    """How far the recent median lies off, where that is far enough. The spread is that of the middle two thirds, less
    what a straight trend spreads them by; a small sample knows it badly, so at least half a baseline is asked for."""
    x = recorded.settled(series, test)
    behind = (test.recent + test.gap) * step
    old = f"{x}[{_time(test.baseline * step)}] offset {_time(behind)}"
    shift = _distance(test, x, step)
    if test.follow:
        ahead = (0.5 * (test.baseline + test.recent) + test.gap) * step
        sign = "" if test.towards == "up" else "-1 * "
        shift = f"({shift} - clamp_min({sign}deriv({old}), 0) * {ahead:g})"
    if test.beside is not None:
        other = recorded.settled(test.beside, test)
        told = f"clamp_min(max by ({RUN}) ({_distance(test, other, step)}), 0)"
        shift = f"({shift} - on ({RUN}) group_left () {told} or {shift})"
    least = by if by is not None else test.by
    if least is not None:
        shift = f"({shift} >= {math.log(least) if test.scale == 'log' else least:.4g})"
    middle = f"(quantile_over_time(0.84, {old}) - quantile_over_time(0.16, {old})) / 2"
    trend = f"{0.34 * test.baseline * step:g} * deriv({old})"
    floor = FLOOR**2 if test.scale == "log" else 0.0
    enough = f"{test.sigmas:g} * sqrt(clamp_min(({middle}) ^ 2 - ({trend}) ^ 2, {floor:g}))"
    if test.scale == "linear" and test.sigmas:
        enough += f" > {test.sigmas * FLOOR:g} * abs(quantile_over_time(0.5, {old}))"
    shift = f"{shift} >= {enough}" if test.sigmas else shift
    return f"({shift} and {x} offset {_time(behind + max(test.least, test.baseline // 2) * step)})"


def _distance(test: Shift, x: str, step: int) -> str:
    """Of the recent median from the older one, towards the wrong side."""
    old = f"{x}[{_time(test.baseline * step)}] offset {_time((test.recent + test.gap) * step)}"
    medians = f"quantile_over_time(0.5, {x}[{_time(test.recent * step)}])", f"quantile_over_time(0.5, {old})"
    now, before = medians if test.towards == "up" else medians[::-1]
    return f"({now} - {before})"


def _one(names: Names) -> str:
    if isinstance(names, str):
        return names
    raise CannotSay("it looks at the first of several series that a run has")


def _legal(name: str) -> str:
    """A common metric's name, or a framework's own as Prometheus has it."""
    return name if name.startswith("rl_") else metric_name(NAMESPACE, name)


def _time(seconds: int) -> str:
    """A duration as PromQL has it."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
