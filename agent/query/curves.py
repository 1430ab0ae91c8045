"""Series as curves, by step or by time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from rli_agent.catalogue import Catalogue, Quantity, base_factor
from rli_agent.query.columns import Columns, Points
from rli_agent.query.intervals import NO_STEP
from rli_agent.query.series import Named
from rli_agent.query.thinning import thin

Axis = Literal["step", "time"]


class Curve(Struct, frozen=True):
    """A series in points, thinned so that the least and the largest value of each pixel are kept. `y` is null where it
    is not finite. Of a metric with a common name, `y` is in its base unit. `x_is`: what x is, for a series without
    steps has time alone. `count`: values before thinning. `healthy`: the published range, whose ends may be open."""

    id: str
    name: str
    metric: str | None
    unit: str | None
    labels: dict[str, str]
    help: str | None
    better: Literal["up", "down", "neither"] | None
    x_is: Axis
    x: list[float]
    y: list[float | None]
    healthy: tuple[float | None, float | None] | None
    count: int


class CurveList(Struct, frozen=True):
    """The curves asked for, those that the run has."""

    curves: list[Curve]


def standing_for(columns: Columns, metric: str, counts: dict[str, int]) -> list[str]:
    """The ids of the series that stand for a common metric: of those of no environment the one with most values, else
    one an environment."""
    best: dict[str, str] = {}
    for one in columns.series.values():
        if (one.metric or one.name) == metric and counts.get(one.id):
            environment = one.labels.get("environment", "")
            if environment not in best or counts[one.id] > counts[best[environment]]:
                best[environment] = one.id
    return [best[""]] if "" in best else [best[name] for name in sorted(best)]


def curve(
    columns: Columns, catalogue: Catalogue, one: str, axis: Axis, width: int, since: float | None, until: float | None
) -> Curve:
    """A series that `columns` was told to have at hand."""
    series, points = columns.series[one], columns.points(one)
    quantity = catalogue.get(series.metric) if series.metric is not None else None
    has_steps = points.by_step or any(step != NO_STEP for step in points.steps)
    axis = axis if has_steps else "time"
    xs, ys = by_step(points) if axis == "step" else by_time(points)
    factor = base_factor(series.unit) if quantity is not None else 1.0
    if factor != 1.0:
        ys = [y * factor for y in ys]
    shown = thin(xs, ys, width, since, until)
    return _curve(series, quantity, axis, shown, len(xs))


def by_step(points: Points) -> tuple[Sequence[float], Sequence[float]]:
    """Values by step; of a step told twice (another attempt, a second file) the later one counts."""
    steps = points.steps
    if points.by_step:
        return steps, points.values
    known = dict(zip(steps, points.values, strict=True))
    known.pop(NO_STEP, None)
    ordered = sorted(known)
    return ordered, [known[step] for step in ordered]


def by_time(points: Points) -> tuple[Sequence[float], Sequence[float]]:
    """Values by time, as far as that is known."""
    times = points.times
    if points.by_time:
        return times, points.values
    rows = sorted((t, i) for i, t in enumerate(times) if not math.isnan(t))
    return [t for t, _ in rows], [points.values[i] for _, i in rows]


def _curve(
    one: Named, quantity: Quantity | None, axis: Axis, shown: tuple[list[float], list[float | None]], count: int
) -> Curve:
    xs, ys = shown
    if quantity is None:
        return Curve(one.id, one.name, one.metric, one.unit, one.labels, None, None, axis, xs, ys, None, count)
    return Curve(
        one.id, one.name, one.metric, quantity.unit, one.labels, quantity.help, quantity.better, axis, xs, ys,
        quantity.healthy, count,
    )  # fmt: skip


def counted(columns: Columns, lines: Iterable[tuple[int, int]]) -> dict[str, int]:
    """How many values each series has; `lines`: how many lines there are of each shape."""
    counts: dict[str, int] = {}
    for shape, number in lines:
        for one in columns.of_shape(shape):
            counts[one.id] = counts.get(one.id, 0) + number
    return counts
