"""Curves with as many points as a screen has pixels, their extremes kept."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence


def thin(
    xs: Sequence[float], ys: Sequence[float], columns: int, since: float | None = None, until: float | None = None
) -> tuple[list[float], list[float | None]]:
    """The points between `since` and `until`, where there are more than two a column those that matter: of each of
    `columns` equal parts of the x axis the least and the largest, and the first and the last of all. What is not finite
    is None: a gap, one a part. xs must rise."""
    begin = 0 if since is None else bisect_left(xs, since)
    end = len(xs) if until is None else bisect_right(xs, until)
    if end - begin <= 2 * columns:
        return list(xs[begin:end]), [y if math.isfinite(y) else None for y in ys[begin:end]]
    low, span = xs[begin], xs[end - 1] - xs[begin]
    width = span / columns if span > 0 else 1.0
    keep = [begin]
    at = begin
    for column in range(1, columns + 1):
        stop = end if column == columns else max(at, bisect_left(xs, low + column * width, at, end))
        if stop > at:
            keep += _extremes(ys, at, stop)
        at = stop
    keep.append(end - 1)
    chosen = sorted(set(keep))
    return [xs[i] for i in chosen], [y if math.isfinite(y := ys[i]) else None for i in chosen]


def _extremes(ys: Sequence[float], at: int, stop: int) -> list[int]:
    """The places of the least and the largest value, and of the first that is not finite."""
    part = ys[at:stop]
    low, high = min(part), max(part)
    if math.isfinite(sum(part)):  # with a NaN among them, the order of the rest is not to be trusted
        return [at + part.index(low), at + part.index(high)]
    finite = [y for y in part if math.isfinite(y)]
    gap = next((i for i, y in enumerate(part) if not math.isfinite(y)), 0)
    return [at + i for i in {gap, *(part.index(y) for y in (min(finite), max(finite)))}] if finite else [at + gap]
