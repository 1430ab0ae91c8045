"""The newest values of the metrics that tell how a run is, read from its store as it grows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from rli_agent.catalogue import base_factor
from rli_agent.store.rows import values_of

#: Values kept of each series; twice as many lines of a make are read where there are that many new ones.
KEPT = 120
#: Series told apart; what exceeds it (a label that never repeats) is not shown.
MOST = 512

Labels = tuple[tuple[str, str], ...]


class Curve:
    """The newest values of one series, by step. Of a step told twice (console and metric file) the later one counts."""

    def __init__(self, metric: str, labels: dict[str, str]) -> None:
        self.metric = metric
        self.labels = labels
        self._points: dict[int, float] = {}
        self.has_steps = True

    def add(self, row: int, step: int | None, value: float) -> None:
        """`row` counts the lines: it orders what has no step."""
        if step is None:
            self.has_steps = False
        at = row if step is None else step
        self._points.pop(at, None)
        self._points[at] = value
        if len(self._points) > 2 * KEPT:
            for old in sorted(self._points)[:KEPT]:
                del self._points[old]

    def points(self, until: int | None = None) -> list[tuple[int, float]]:
        """(step, value), oldest first; those behind step `until` are of an attempt that was given up."""
        points = sorted(self._points.items())
        if self.has_steps and until is not None:
            points = [p for p in points if p[0] <= until]
        return points[-KEPT:]

    def __len__(self) -> int:
        return len(self._points)


class Curves:
    """Curves of the metrics asked for, by their common names, or by the framework's own where they have none."""

    def __init__(self, metrics: Iterable[str]) -> None:
        self._wanted = frozenset(metrics)
        self._seen = 0
        self._shapes: dict[int, list[tuple[int, float, Curve]]] = {}
        self._curves: dict[tuple[str, Labels], Curve] = {}
        self._last_shape = 0

    def refresh(self, db: sqlite3.Connection) -> None:
        """Take in the lines that were stored since the last time."""
        (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()
        if newest < self._seen:  # the logs are read again
            self._seen = 0
        self._learn_shapes(db)
        # Of all lines the index tells the shapes; of new ones their rows.
        fresh = "SELECT DISTINCT shape FROM lines" + (" WHERE id > :seen" if self._seen else "")
        rows: list[tuple[int, int, int | None, str]] = []
        for (shape,) in db.execute(fresh, {"seen": self._seen}).fetchall():
            if self._shapes.get(shape):
                rows += db.execute(
                    "SELECT id, shape, step, values_json FROM lines WHERE id IN "
                    "(SELECT id FROM lines WHERE shape = ? AND id > ? ORDER BY id DESC LIMIT ?)",
                    (shape, self._seen, 2 * KEPT),
                )  # fmt: skip
        for row, shape, step, values in sorted(rows):
            _add(self._shapes[shape], row, step, values)
        self._seen = newest

    def _learn_shapes(self, db: sqlite3.Connection) -> None:
        query = "SELECT id, names, metrics, units, labels FROM shapes WHERE id > ?"
        for shape, names, metrics, units, labels in db.execute(query, (self._last_shape,)).fetchall():
            self._last_shape = max(self._last_shape, shape)
            known = dict(json.loads(labels))
            places = []
            told = zip(json.loads(names), json.loads(metrics), json.loads(units), strict=True)
            for index, (name, metric, unit) in enumerate(told):
                called = metric or name
                if called in self._wanted and (curve := self._curve(called, known)) is not None:
                    places.append((index, base_factor(unit), curve))
            self._shapes[shape] = places

    def _curve(self, metric: str, labels: dict[str, str]) -> Curve | None:
        key = (metric, tuple(sorted(labels.items())))
        if key not in self._curves and len(self._curves) < MOST:
            self._curves[key] = Curve(metric, labels)
        return self._curves.get(key)

    def all(self, metric: str) -> list[Curve]:
        """Every series of a metric that has values."""
        return [c for (name, _), c in self._curves.items() if name == metric and len(c)]

    def standing_for(self, metric: str) -> dict[str, Curve]:
        """The series that stand for the run, by environment: the one of no environment alone (""), if there is one. Of
        several (a console and a metric file) the one with most values."""
        best: dict[str, Curve] = {}
        for curve in self.all(metric):
            environment = curve.labels.get("environment", "")
            if environment not in best or len(curve) > len(best[environment]):
                best[environment] = curve
        return {"": best[""]} if "" in best else best


def _add(wanted: list[tuple[int, float, Curve]], row: int, step: int | None, values: str) -> None:
    figures = values_of(values)
    for index, factor, curve in wanted:
        curve.add(row, step, figures[index] * factor)
