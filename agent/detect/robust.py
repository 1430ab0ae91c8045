"""Robust statistics of short windows: a few wild samples change none of them much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

#: Scales the median absolute deviation to the standard deviation of a normal distribution.
_NORMAL = 1.4826
#: The same for the mean absolute deviation.
_NORMAL_MEAN = 1.2533
#: The least spread, of logarithms and relative to the level: figures that never change would make any change huge.
FLOOR = 0.01


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of both. Raises IndexError where there is none."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def deviation(values: Sequence[float], centre: float) -> float:
    """How far values lie from `centre`, as a standard deviation. Rounded figures of which most are the same have no
    median deviation: there the mean one stands in."""
    away = [abs(v - centre) for v in values]
    return _NORMAL * median(away) or _NORMAL_MEAN * sum(away) / len(away)


def spread(values: Sequence[float], centre: float) -> float:
    """The deviation as far as these values tell it: a small sample knows it badly, so that it counts as larger."""
    return deviation(values, centre) * (1.0 + 4.0 / len(values))


def slope(values: Sequence[float]) -> float:
    """Change from one value to the next, as the medians of the first and the last third tell it."""
    third = max(1, len(values) // 3)
    return (median(values[-third:]) - median(values[:third])) / max(1, len(values) - third)


def differences(values: Sequence[float]) -> list[float]:
    """Of each value from the one before."""
    return [after - before for before, after in pairwise(values)]


def level_out(values: Sequence[float], climb: float) -> list[float]:
    """The values without a trend of `climb` a step, about their middle."""
    middle = 0.5 * (len(values) - 1)
    return [v - climb * (i - middle) for i, v in enumerate(values)]


def logs(values: Sequence[float], floor: float) -> list[float]:
    """Logarithms of the magnitudes, none taken as less than `floor`."""
    log = math.log
    return [log(v if v >= floor else max(-v, floor)) for v in values]
