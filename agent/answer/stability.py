"""Spikes: values far from what the steps before them had, by median and MAD, which a spike itself does not move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from rli_agent.answer.report import Series, Spike

#: Steps that are looked at, and steps before them that say what is usual; fewer than LEAST say nothing.
RECENT, BEFORE, LEAST = 10, 50, 8
#: A spike is so many deviations (MAD times 1.4826, which is one standard deviation of a normal distribution) away,
#: and at least half the median, since steady series have next to no deviation.
DEVIATIONS, RELATIVE = 8.0, 0.5
_NORMAL = 1.4826
#: Values that a report carries.
SHOWN = 40


def spikes(points: Sequence[tuple[int, float]]) -> list[Spike]:
    """The spikes among the newest points (step, value); what is not finite always is one."""
    found = []
    for place in range(max(0, len(points) - RECENT), len(points)):
        step, value = points[place]
        known = [v for _, v in points[max(0, place - BEFORE) : place] if math.isfinite(v)]
        if len(known) < LEAST:
            if not math.isfinite(value):
                found.append(Spike(step, value, median(known) if known else math.nan, math.inf))
            continue
        usual = median(known)
        deviation = _NORMAL * median(abs(v - usual) for v in known)
        away = abs(value - usual)
        floor = max(RELATIVE * abs(usual), 1e-9)
        if not math.isfinite(value) or (away > DEVIATIONS * deviation and away > floor):
            found.append(Spike(step, value, usual, away / deviation if deviation else math.inf))
    return found


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
        metric, value, step if has_steps else None, median(known) if known else None,
        [v for _, v in points[-SHOWN:]], found,
    )  # fmt: skip
