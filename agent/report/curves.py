"""The curves of a run from its first step to its last: the common metrics, else the framework's own."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from rli_agent.catalogue import Catalogue, base_factor
from rli_agent.query.columns import Columns
from rli_agent.query.curves import by_step, by_time
from rli_agent.query.intervals import NO_STEP
from rli_agent.query.series import Named
from rli_agent.query.thinning import thin

#: Charts, and lines of a chart.
CHARTS, LINES = 36, 8
#: Points of a line that are drawn; of more the extremes of each stretch.
POINTS = 600
#: What is looked at first.
_FIRST = (
    "rl_reward_mean", "rl_eval_score", "rl_policy_entropy", "rl_policy_kl", "rl_mismatch_kl", "rl_grad_norm",
    "rl_policy_loss", "rl_loss", "rl_response_length_mean_tokens", "rl_sequence_length_mean_tokens",
    "rl_truncated_ratio", "rl_step_duration_seconds", "rl_throughput_tokens_per_second",
)  # fmt: skip
#: Told elsewhere in a report, or constant.
_LEFT_OUT = frozenset({"rl_step", "rl_max_steps", "rl_phase_duration_seconds", "rl_state_elapsed_seconds"})

Point = tuple[float, float]


class Curve(Struct):
    """A series: `labels` tell it from the others of its chart. Points are (step or Unix time, value), oldest first;
    what is not finite has no value (NaN)."""

    labels: dict[str, str]
    points: list[Point]
    by_step: bool


class Chart(Struct):
    """A metric: `name` is the common one, or the framework's own, `unit` the base unit."""

    name: str
    curves: list[Curve]
    unit: str = "none"
    help: str = ""
    healthy: tuple[float | None, float | None] | None = None
    better: str = "neither"
    left_out: int = 0

    @property
    def by_step(self) -> bool:
        """Whether it stands against steps, else against time."""
        return all(curve.by_step for curve in self.curves)

    @property
    def title(self) -> str:
        """Its name as people say it, without the unit."""
        if not self.name.startswith("rl_"):
            return self.name
        name = self.name.removeprefix("rl_")
        said = name.replace(f"_{self.unit}", "") if self.unit != "none" else name
        return said.replace("_", " ").replace("kl", "KL").replace("kv cache", "KV cache").replace("mfu", "MFU")


def read_charts(db: sqlite3.Connection, catalogue: Catalogue) -> list[Chart]:
    """The common metrics that have values, those of the most interest first; where there are none, the framework's
    own."""
    return _charts(db, catalogue, common=True) or _charts(db, catalogue, common=False)


def _charts(db: sqlite3.Connection, catalogue: Catalogue, *, common: bool) -> list[Chart]:
    columns = Columns()
    columns.learn(db)
    wanted: dict[str, str] = {}
    for one in columns.series.values():
        called = one.metric if common else one.name
        if called is not None and called not in _LEFT_OUT and (not common or called in catalogue):
            wanted[one.id] = called
    names = sorted(set(wanted.values()), key=lambda name: _rank(name, catalogue))
    charts: list[Chart] = []
    for name in names:
        mine = [one for one, called in wanted.items() if called == name]
        columns.want(db, mine)
        curves = [curve for one in mine if (curve := _curve(columns, one, catalogue, common)) is not None]
        if curves:
            charts.append(_chart(name, curves, catalogue))
        if len(charts) == CHARTS:
            break
    return charts


def _curve(columns: Columns, one: str, catalogue: Catalogue, common: bool) -> Curve | None:
    """A series, in its base unit where it has a common name; None where it has no value."""
    series, points = columns.series[one], columns.points(one)
    steps = points.by_step or any(step != NO_STEP for step in points.steps)
    xs, ys = by_step(points) if steps else by_time(points)
    if not any(map(math.isfinite, ys)):
        return None
    factor = base_factor(series.unit) if common else 1.0
    told = [(float(x), y * factor) for x, y in zip(xs, ys, strict=True)]
    return Curve(_labels(series, catalogue), told, steps)


def _labels(series: Named, catalogue: Catalogue) -> dict[str, str]:
    """What tells a series from the others of its metric."""
    known = {key: value for key, value in series.labels.items() if key != "role"}
    quantity = catalogue.get(series.metric) if series.metric else None
    if quantity is not None and "stat" in quantity.labels:
        known["stat"] = series.name
    return known


def _chart(name: str, curves: list[Curve], catalogue: Catalogue) -> Chart:
    curves.sort(key=lambda curve: (bool(curve.labels), -len(curve.points)))
    if len({curve.by_step for curve in curves}) > 1:  # one axis: that of the longest series
        axis = max(curves, key=lambda curve: len(curve.points)).by_step
        curves = [curve for curve in curves if curve.by_step == axis]
    shown, left_out = curves[:LINES], len(curves[LINES:])
    quantity = catalogue.get(name)
    if quantity is None:
        return Chart(name, shown, left_out=left_out)
    return Chart(name, shown, quantity.unit, quantity.help, quantity.healthy, quantity.better, left_out)


def _rank(name: str, catalogue: Catalogue) -> tuple[int, int, str]:
    if name in _FIRST:
        return 0, _FIRST.index(name), name
    order = next((i for i, quantity in enumerate(catalogue) if quantity.name == name), 0)
    return 1, order, name


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most some POINTS, the extremes among them."""
    xs, ys = thin([at for at, _ in points], [value for _, value in points], POINTS // 2)
    return [(x, math.nan if y is None else y) for x, y in zip(xs, ys, strict=True)]
