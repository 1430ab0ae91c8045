"""Which metrics moved from the run's beginning to its end, by more than they always do."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from rli_agent.report.curves import Chart, Curve

#: The part of the run that is its beginning, and its end; at least so many values of either.
PART, LEAST = 0.1, 3
#: A change is worth a word from so many of the usual distances between neighbours on, and from this share of the value.
NOISE, SHARE = 1.5, 0.05
#: A share must move by so much.
LEAST_SHARE = 0.005
_SCHEDULED = re.compile(r"learning_rate|coefficient|_(?:max|min)(?:_|$)|(?:^|[/_])lr(?:$|[/_(])")
#: Where less is better, only these units say so by themselves: divergences and norms rise in healthy runs too.
_JUDGED = frozenset({"seconds", "ratio", "bytes"})


class Change(Struct):
    """Medians of the first and the last part. `better`: whether that is an improvement, None where neither is."""

    chart: Chart
    before: float
    after: float
    better: bool | None

    @property
    def factor(self) -> float | None:
        """By what it was multiplied, where that means anything."""
        return self.after / self.before if self.before > 0 and self.after > 0 else None


def changes(charts: Iterable[Chart]) -> list[Change]:
    """The metrics that moved, in the order of their charts."""
    charts = list(charts)
    steps = any(chart.by_step for chart in charts)
    found = [_change(chart, chart.curves[0]) for chart in charts if _tells(chart) and chart.by_step == steps]
    return [change for change in found if change is not None]


def _tells(chart: Chart) -> bool:
    """Whether its first curve is the run's, not that of one of several engines, environments or ranks, and is no
    schedule and no extreme."""
    alone = len(chart.curves) == 1 or not chart.curves[0].labels
    return alone and not _SCHEDULED.search(chart.name)


def _change(chart: Chart, curve: Curve) -> Change | None:
    values = [value for _, value in curve.points if math.isfinite(value)]
    size = max(LEAST, round(PART * len(values)))
    if len(values) < 2 * size:
        return None
    before, after = median(values[:size]), median(values[-size:])
    moved = abs(after - before)
    least = max(SHARE * max(abs(before), abs(after)), LEAST_SHARE if chart.unit == "ratio" else 0.0)
    if moved <= NOISE * _noise(values) or moved <= least:
        return None
    better = (chart.better == "up") == (after > before) if is_judged(chart.better, chart.unit) else None
    return Change(chart, before, after, better)


def is_judged(better: str, unit: str) -> bool:
    """Whether a metric of this direction and unit says by itself that one value is better than another."""
    return better == "up" or (better == "down" and unit in _JUDGED)


def _noise(values: Sequence[float]) -> float:
    """What usually lies between a value and the next one, which no trend moves much."""
    return median(abs(b - a) for a, b in itertools.pairwise(values))
