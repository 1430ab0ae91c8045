"""Where on a picture a figure lies, and at which figures its axis is labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

_NICE = (1, 2, 5, 10)
_CLOCK = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip
#: Series of positive figures that span so much are drawn in logarithms.
LOGARITHMIC = 1000.0


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round figures between the two, at most about so many."""
    if not high > low or not math.isfinite(high - low):
        return [low]
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    each = next((n * power for n in _NICE if n * power >= rough), 10 * power)
    first = math.ceil(low / each - 1e-9)
    return [i * each for i in range(first, math.floor(high / each + 1e-9) + 1)]


def powers(low: float, high: float) -> list[float]:
    """Powers of ten between the two, at most five of them."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, -(-(last - first) // 4))
    return [10.0**i for i in range(first, last + 1, every)]


def clock_ticks(
    start: float, end: float, zone: tzinfo, most: int, length: float | None = None
) -> list[tuple[float, str]]:
    """Round times of day between two moments (Unix seconds), and how they are written. length: seconds between them
    that are drawn, where some are not."""
    length = end - start if length is None else length
    each = next((seconds for seconds in _CLOCK if length / seconds <= most), 86_400 * math.ceil(length / most / 86_400))
    offset = offset_at(start, zone)
    first = math.ceil((start + offset) / each)
    form = "%b %d" if each >= 86_400 else "%H:%M" if each >= 60 else "%H:%M:%S"
    places = [i * each - offset for i in range(first, min(math.floor((end + offset) / each), first + 10_000) + 1)]
    return [(at, f"{datetime.fromtimestamp(at, zone):{form}}") for at in places]


def offset_at(moment: float, zone: tzinfo) -> float:
    """Seconds by which the zone is ahead of UTC then."""
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def value_range(values: Sequence[float]) -> tuple[float, float, bool]:
    """Least and most of the finite values with some room, and whether they are drawn in logarithms."""
    low, high = min(values), max(values)
    if low == high == 0:
        return -0.05, 1.0, False
    if low > 0 and high / low >= LOGARITHMIC:
        return low / 1.2, high * 1.2, True
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room, False


def short(value: float) -> str:
    """A figure on an axis."""
    if value == 0:
        return "0"
    for limit, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if sign == 'k' else limit):.4g}{sign}"
    if abs(value) >= 0.01:
        return f"{value:.4g}"
    mantissa, _, power = f"{value:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(power)}"
