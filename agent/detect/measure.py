"""Whether a test holds for the series as they are now, and the figures that decided it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from rli_agent.detect.history import KEPT, History
from rli_agent.detect.language import (
    AnyTest,
    Level,
    LostGain,
    Names,
    NotFinite,
    Plateau,
    Shift,
    Single,
    Some,
    Spikes,
)
from rli_agent.detect.robust import FLOOR, differences, level_out, logs, median, slope, spread

#: A plateau lasts at least twice this part of the run so far: 1 / _OF_THE_RUN.
_OF_THE_RUN = 8
#: Samples before a fall that lie above it.
_BEFORE = 40
#: Below this a figure is nothing.
_TINY = 1e-12
SQRT2 = math.sqrt(2.0)

#: Finds the series that a test names; None where the run lacks it.
Lookup: TypeAlias = Callable[[Names], History | None]


class Evidence(Struct):
    """What decided, by a test of the kind `test`: `value` (of `recent` samples) lies `towards` the wrong side of
    `limit`; `usual` is what was expected. All in units of the series."""

    test: Literal["shift", "level", "spikes", "not_finite", "lost_gain", "plateau"]
    series: str
    value: float
    usual: float
    limit: float
    towards: Literal["up", "down"]
    recent: int = 1

    def over(self, history: History) -> bool:
        """Whether the series is on the healthy side again."""
        if self.test == "not_finite":
            return history.broken_of(1) == 0
        if not history.values:
            return True
        now = self._now(history)
        return now < self.limit if self.towards == "up" else now > self.limit

    def now(self, history: History) -> Evidence:
        """The same with the figure as it is now."""
        return structs.replace(self, value=self._now(history)) if history.values else self

    def factor(self) -> float:
        """How many times off what was expected; 1 where that cannot be said."""
        if not (self.value > 0.0 and self.usual > 0.0):
            return 1.0
        return self.value / self.usual if self.towards == "up" else self.usual / self.value

    def _now(self, history: History) -> float:
        return median(history.values[-self.recent :])


def measure(test: AnyTest, own: History, lookup: Lookup) -> Evidence | None:
    """The evidence, where the test holds."""
    if isinstance(test, Some):
        found = [e for t in test.of if (e := measure(t, own, lookup)) is not None]
        return found[0] if len(found) >= test.least else None
    history = own if test.series is None else lookup(test.series)
    if history is None:
        return None
    return _single(test, history, lookup)


def _single(test: Single, history: History, lookup: Lookup) -> Evidence | None:
    if isinstance(test, Shift):
        return _shift(test, history, lookup)
    if isinstance(test, Level):
        return _level(test, history)
    if isinstance(test, Spikes):
        return _spikes(test, history)
    if isinstance(test, NotFinite):
        if history.broken_of(test.of) < test.times:
            return None
        return Evidence("not_finite", history.name, math.nan, math.nan, math.nan, "up")
    if isinstance(test, LostGain):
        return _lost_gain(test, history)
    return _plateau(test, history)


def baseline(history: History, width: int, before: int, warmup: int) -> list[float]:
    """The values of a window that ends `before` samples ago, without those of the run's warm-up."""
    end = len(history.values) - before
    return history.values[max(end - width, history.first(warmup), 0) : max(end, 0)]


def _shift(test: Shift, history: History, lookup: Lookup) -> Evidence | None:
    old = baseline(history, test.baseline, test.recent + test.gap, test.warmup)
    if len(old) < test.least:
        return None
    sign = 1.0 if test.towards == "up" else -1.0
    now = median(history.values[-test.recent :])
    log = test.scale == "log"
    need = 0.0 if test.by is None else math.log(test.by) if log else test.by
    if log and test.by is not None and _is_near(now, old, test.by, test):
        return None
    centre = median(old)
    if log:  # the cheap look first: most of the time there is nothing
        if sign * math.log(max(abs(now), test.floor) / max(abs(centre), test.floor)) < need:
            return None
        old = logs(old, max(abs(centre) * 1e-3, _TINY))
        now, centre = math.log(max(abs(now), test.floor)), median(old)
    least = FLOOR if log else FLOOR * abs(centre)
    if sign * (now - centre) < max(need, test.sigmas * least):  # what is expected lies no nearer, the spread is no less
        return None
    climb = slope(old)
    expected = centre
    if test.follow and climb * sign > 0.0:
        expected += climb * (0.5 * (len(old) + test.recent) + test.gap)
    if log:
        expected = max(expected, math.log(test.floor))
    sigma = max(spread(level_out(old, climb), centre), least)
    need = max(need, test.sigmas * sigma)
    shift = sign * (now - expected)
    if test.beside is not None and shift >= need:
        shift -= max(0.0, _explained(test, lookup))
    if shift < need:
        return None
    limit = expected + sign * 0.5 * need
    if log:
        now, expected, limit = math.exp(now), math.exp(expected), math.exp(limit)
    return Evidence("shift", history.name, now, expected, limit, test.towards, test.recent)


def _is_near(now: float, old: list[float], by: float, test: Shift) -> bool:
    """Whether no value of the baseline, and so not its median, lies that factor away: most of the time, and found
    without sorting them."""
    if test.towards == "up":
        least = min(old)
        return least > 0.0 and max(now, test.floor) < by * max(least, test.floor)
    return now > 0.0 and min(old) > 0.0 and max(max(old), test.floor) < by * max(now, test.floor)


def _explained(test: Shift, lookup: Lookup) -> float:
    """How far the series beside has shifted in the same direction (logarithm)."""
    history = lookup(test.beside) if test.beside is not None else None
    if history is None:
        return 0.0
    old = baseline(history, test.baseline, test.recent + test.gap, test.warmup)
    if len(old) < test.least:
        return 0.0
    shift = math.log(max(abs(median(history.values[-test.recent :])), test.floor) / max(abs(median(old)), test.floor))
    return shift if test.towards == "up" else -shift


def _level(test: Level, history: History) -> Evidence | None:
    last = history.values[-(test.of or test.times) :]
    if test.above is not None and sum(v > test.above for v in last) >= test.times:
        return Evidence("level", history.name, max(last), test.above, test.above, "up")
    if test.below is not None and sum(v < test.below for v in last) >= test.times:
        return Evidence("level", history.name, min(last), test.below, test.below, "down")
    return None


def _spikes(test: Spikes, history: History) -> Evidence | None:
    last = history.values[-test.of :]
    highest = max(last, default=0.0)
    if highest <= 0.0:
        return None
    old = baseline(history, test.baseline, test.of, test.warmup)
    if len(old) < test.least:
        return None
    usual = median(old)
    limit = usual * test.by
    if highest <= limit or sum(v > limit for v in last) < test.times:
        return None
    return Evidence("spikes", history.name, highest, usual, limit, "up")


def _lost_gain(test: LostGain, history: History) -> Evidence | None:
    values = history.values[max(history.first(test.warmup), len(history.values) - test.window) :]
    width = test.recent
    if len(values) < test.least + width:
        return None
    now = median(values[-width:])
    old = values[:-width]
    if now >= median(old[-_BEFORE:]):  # the cheap look first
        return None
    best = max(median(old[i : i + width]) for i in range(0, len(old) - width + 1, max(1, width // 2)))
    need = test.share * (best - min(median(history.early or values), best))
    if best - now <= need:
        return None
    noise = differences(old)
    around = level_out(old, slope(old))
    need = max(need, test.sigmas * spread(noise, 0.0) / SQRT2, test.waves * spread(around, median(around)))
    if best - now <= max(need, FLOOR * abs(best)):
        return None
    return Evidence("lost_gain", history.name, now, best, best - 0.5 * need, "down", width)


def _plateau(test: Plateau, history: History) -> Evidence | None:
    values = history.values
    wanted = max(test.least, test.window / history.stride, history.seen / _OF_THE_RUN)
    width = min(round(wanted), KEPT // 2)
    if len(values) < 2 * width:
        return None
    now, before = values[-width:], values[-2 * width : -width]
    level, mean = sum(now) / width, sum(before) / width
    if level > mean:
        return None
    score = min(values) >= 0.0 and max(values) <= 1.0
    error = max(spread(differences(now), 0.0), FLOOR * abs(level)) / math.sqrt(width)
    if mean - level < 0.25 * error or (score and test.ceiling is not None and level >= test.ceiling):
        return None
    return Evidence("plateau", history.name, level, mean, mean + test.sigmas * error, "down", width)
