"""The curves of a run from its first step to its last: the common metrics, else the framework's own."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from rli_agent.catalogue import Catalogue, base_factor

#: Charts, and lines of a chart.
CHARTS, LINES = 36, 8
#: Points of a line that are drawn; of more the extremes of each stretch.
POINTS = 600
#: Values of a line that are read; of a longer one every second, fourth …
_READ = 50_000
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


class _Series(Struct):
    points: dict[float, float] = {}
    by_step: bool = True
    stride: int = 1
    seen: int = 0

    def add(self, step: int | None, time: float | None, value: float) -> None:
        self.seen += 1
        if self.seen % self.stride:
            return
        if step is None:
            self.by_step = False
        at = time if step is None else float(step)
        if at is None:
            return
        self.points.pop(at, None)
        self.points[at] = value
        if len(self.points) > _READ:
            self.points = dict(list(self.points.items())[::2])
            self.stride *= 2


def read_charts(db: sqlite3.Connection, catalogue: Catalogue) -> list[Chart]:
    """The common metrics that have values, those of the most interest first; where there are none, the framework's
    own."""
    return _charts(db, catalogue, common=True) or _charts(db, catalogue, common=False)


def _charts(db: sqlite3.Connection, catalogue: Catalogue, *, common: bool) -> list[Chart]:
    series: dict[tuple[str, str], _Series] = {}
    wanted: dict[int, list[tuple[int, float, _Series]]] = {}
    for shape, names, metrics, units, labels in db.execute("SELECT id, names, metrics, units, labels FROM shapes"):
        told = zip(json.loads(names), json.loads(metrics), json.loads(units), strict=True)
        for index, (name, metric, unit) in enumerate(told):
            called = metric if common else name
            if called is None or called in _LEFT_OUT or (common and called not in catalogue):
                continue
            kept = series.setdefault((called, _labels(labels, name, metric, catalogue)), _Series())
            wanted.setdefault(shape, []).append((index, base_factor(unit) if common else 1.0, kept))
    for shape, places in wanted.items():
        lines = db.execute("SELECT step, time, values_json FROM lines WHERE shape = ? ORDER BY id", (shape,))
        for step, time, values in lines:
            figures = json.loads(values, parse_int=float)
            for index, factor, kept in places:
                kept.add(step, time, float(figures[index]) * factor)
    by_name: dict[str, list[Curve]] = {}
    for (name, labels), kept in series.items():
        points = sorted(kept.points.items())
        if any(math.isfinite(value) for _, value in points):
            by_name.setdefault(name, []).append(Curve(json.loads(labels), points, kept.by_step))
    charts = [_chart(name, curves, catalogue) for name, curves in by_name.items()]
    charts.sort(key=lambda chart: _rank(chart.name, catalogue))
    return charts[:CHARTS]


def _labels(labels: str, name: str, metric: str | None, catalogue: Catalogue) -> str:
    """What tells a series from the others of its metric."""
    known: dict[str, str] = {str(k): str(v) for k, v in json.loads(labels).items() if k != "role"}
    quantity = catalogue.get(metric) if metric else None
    if quantity is not None and "stat" in quantity.labels:
        known["stat"] = name
    return json.dumps(known, sort_keys=True)


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


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most so many points: of each stretch the smallest and the largest, and one that is not finite."""
    if len(points) <= most:
        return list(points)
    stretches = most // 2
    found: list[Point] = []
    for i in range(stretches):
        part = points[i * len(points) // stretches : (i + 1) * len(points) // stretches]
        finite = [point for point in part if math.isfinite(point[1])]
        if len(finite) < len(part):
            found.append(next(point for point in part if not math.isfinite(point[1])))
        if finite:
            found += {min(finite, key=_value), max(finite, key=_value)}
    return sorted(found)


def _value(point: Point) -> float:
    return point[1]

