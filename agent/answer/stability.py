"""Spikes: values far from what the steps before them had, by median and MAD, which a spike itself does not move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import cast

from rli_agent.answer.report import Figure, Series, Spike
from rli_agent.detect.robust import deviation
from rli_agent.events import as_printed

#: Steps that are looked at, and steps before them that say what is usual; fewer than LEAST say nothing.
RECENT, BEFORE, LEAST = 10, 50, 8
#: A spike is so many deviations away.
DEVIATIONS = 8.0
#: Series without zeros and signs are looked at in logarithms, and a spike is at least so many times the median or so
#: many times less: gradient norms are far from normal, and steady series have next to no deviation.
FACTOR = 3.0
#: Values that a report carries.
SHOWN = 40


def spikes(points: Sequence[tuple[int, float]]) -> list[Spike]:
    """The spikes among the newest points (step, value); what is not finite always is one."""
    found = []
    for place in range(max(0, len(points) - RECENT), len(points)):
        step, value = points[place]
        known = [v for _, v in points[max(0, place - BEFORE) : place] if math.isfinite(v)]
        if not math.isfinite(value):
            found.append(Spike(step, printed(value), median(known) if known else None, None))
        elif len(known) >= LEAST:
            distance = _distance(value, known)
            if distance > DEVIATIONS:
                found.append(Spike(step, value, median(known), distance if math.isfinite(distance) else None))
    return found


def _distance(value: float, known: Sequence[float]) -> float:
    """How many deviations a value is away from what was known; 0 where it is too near to be worth a word."""
    if min(value, *known) > 0:
        value, known = math.log(value), [math.log(v) for v in known]
        if abs(value - median(known)) < math.log(FACTOR):
            return 0.0
    usual = median(known)
    away, of_known = abs(value - usual), deviation(known, usual)
    if not of_known:
        return math.inf if away > 1e-9 * abs(usual) else 0.0
    return away / of_known


def printed(value: float) -> Figure:
    """A value as the report has it."""
    return cast("Figure", as_printed(value))


def series(metric: str, points: Sequence[tuple[int, float]], has_steps: bool) -> Series | None:
    """The newest value of a metric, beside what is usual for it."""
    if not points:
        return None
    step, value = points[-1]
    known = [v for _, v in points[-BEFORE - 1 : -1] if math.isfinite(v)]
    found = spikes(points)
    if not has_steps:
        found = [Spike(None, s.value, s.median, s.distance) for s in found]
    return Series(
        metric, printed(value), step if has_steps else None, median(known) if known else None,
        [printed(v) for _, v in points[-SHOWN:]], found,
    )  # fmt: skip
