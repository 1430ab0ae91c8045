"""Whether two series differ by more than each of them wavers by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from msgspec import Struct

from rli_agent.detect.robust import level_out, median, slope, spread

#: same: they agree to the digits printed. noise: within what each run wavers by. slight: steadily apart, but by less
#: than a step's wavering. clear: apart by more than that. few: too few equal steps to say.
Verdict: TypeAlias = Literal["same", "noise", "slight", "clear", "few"]

#: Equal steps from which on anything can be said.
LEAST = 5
#: The end of a run: this part of the equal steps, at least so many.
END, END_LEAST = 0.3, 12
#: Standard errors, and share of the steps on one side, from which on a difference is no chance. Medians waver by
#: `_MEDIAN` more than means.
_ERRORS, _ONE_SIDED, _MEDIAN = 3.0, 0.85, 1.2533
#: A short run knows its own wavering badly: the error counts as larger by this share of a step.
_SHORT = 4.0
#: Relative differences that are rounding, and that are nothing to speak of.
_ROUNDING, _NOTHING = 1e-6, 0.01


class Difference(Struct, frozen=True):
    """Of B from A at equal steps. a, b: medians over the last of these (`END`); noise: what a step of either run wavers
    by (the larger one, as a standard deviation). since: the step from which on they are apart. first, last: the equal
    steps, `steps` of them."""

    verdict: Verdict
    a: float | None = None
    b: float | None = None
    noise: float | None = None
    steps: int = 0
    first: int | None = None
    last: int | None = None
    since: int | None = None

    @property
    def matters(self) -> bool:
        """Whether it is more than each run wavers by."""
        return self.verdict in ("slight", "clear")

    @property
    def size(self) -> float:
        """How far they are apart, in steps' wavering: infinite where neither wavers; 0 where it is no difference."""
        if not self.matters or self.a is None or self.b is None:
            return 0.0
        return abs(self.b - self.a) / self.noise if self.noise else math.inf

    @property
    def factor(self) -> float | None:
        """B as a multiple of A, where that means anything."""
        return self.b / self.a if self.a and self.b is not None and self.b / self.a > 0 else None


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """Compare two series, each a value by step. What is not finite is left out."""
    steps = sorted(step for step in a.keys() & b.keys() if math.isfinite(a[step]) and math.isfinite(b[step]))
    if len(steps) < LEAST:
        return _few(steps, a, b)
    size = min(len(steps), max(END_LEAST, round(END * len(steps))))
    end = steps[-size:]
    at_end, of_b = median([a[s] for s in end]), median([b[s] for s in end])
    apart = [b[s] - a[s] for s in steps]
    by = median(apart[-size:])
    noise = max(wavering([a[s] for s in steps]), wavering([b[s] for s in steps]))
    known = {"a": at_end, "b": of_b, "noise": noise, "steps": len(steps), "first": steps[0], "last": steps[-1]}
    if all(abs(b[s] - a[s]) <= _ROUNDING * max(abs(a[s]), abs(b[s])) for s in steps):
        return Difference("same", **known)  # type: ignore[arg-type]
    one_sided = sum(d * by > 0 for d in apart[-size:]) / size
    nothing = _NOTHING * max(abs(at_end), abs(of_b))
    if abs(by) <= nothing or abs(by) < _ERRORS * _error(apart, size) or one_sided < _ONE_SIDED:
        return Difference("noise", **known)  # type: ignore[arg-type]
    verdict: Verdict = "clear" if abs(by) > 2 * noise else "slight"
    return Difference(verdict, **known, since=_since(steps, a, b, by, noise))  # type: ignore[arg-type]


def wavering(values: Sequence[float]) -> float:
    """How far a value lies from the run's own course, as a standard deviation: by eighths, in which a course is
    straight enough."""
    size = max(LEAST, math.ceil(len(values) / 8))
    rest: list[float] = []
    for at in range(0, len(values), size):
        part = values[at : at + size]
        level = level_out(part, slope(part)) if len(part) >= LEAST else list(part)
        middle = median(level)
        rest += [value - middle for value in level]
    return spread(rest, 0.0)


def _error(apart: Sequence[float], size: int) -> float:
    """The standard error of the median of the last `size` differences. Steps are not independent: a run that is above
    its trend stays there for a while, so that fewer count (by the correlation of neighbours, of which few steps show
    too little)."""
    level = level_out(apart, slope(apart))
    middle = median(level)
    rest = [d - middle for d in level]
    squares = sum(d * d for d in rest)
    alike = sum(x * y for x, y in pairwise(rest)) / squares if squares else 0.0
    alike = min(0.99, max(0.0, alike + (1.0 + 3.0 * alike) / len(apart)))
    short = 1.0 + _SHORT / len(apart)
    return _MEDIAN * short * spread(rest, 0.0) * math.sqrt((1.0 + alike) / (1.0 - alike) / size)


def _few(steps: Sequence[int], a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    if not steps:
        return Difference("few")
    medians = median([a[s] for s in steps]), median([b[s] for s in steps])
    return Difference("few", *medians, steps=len(steps), first=steps[0], last=steps[-1])


def _since(steps: Sequence[int], a: Mapping[int, float], b: Mapping[int, float], by: float, noise: float) -> int:
    """The first step from which on five neighbours together never come back to each other."""
    since = steps[-1]
    for at in range(len(steps) - LEAST, -1, -1):
        near = median([b[s] - a[s] for s in steps[at : at + LEAST]])
        if near * by <= 0 or abs(near) <= min(noise, abs(by) / 2):
            break
        since = steps[at]
    return since
