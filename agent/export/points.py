"""What a store holds as points of the series that `/metrics` shows: the same names, labels and units, each figure at
its own time.

What only a moment has stays out: states that are open, how the run's life stands, the agent's own figures.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from typing import NamedTuple

from rli_agent.catalogue import Catalogue
from rli_agent.events import Interval, Labels, RolloutBatch, Shape, Source, role_of
from rli_agent.export.rows import StoredSamples, own_intervals, sources_of
from rli_agent.parsers.timeline import intervals
from rli_agent.publish.families import Series, Table
from rli_agent.publish.naming import NAMESPACE, Naming, RunLabels, duration_series, label_set, step_series
from rli_agent.publish.rollout_figures import RolloutFigures
from rli_agent.rollout_statistics import BOUNDS, Distribution
from rli_agent.store.rollout_columns import statistics_of
from rli_agent.store.rows import labels_of

#: Series that an export may have; what is more is counted.
SERIES_LIMIT = 100_000


class Point(NamedTuple):
    """A figure of a series at a time, in milliseconds since 1970. A histogram's is all that it holds."""

    series: Series
    milliseconds: int
    value: float | Distribution


class Points:
    """The points of a store, in no certain order. `table` holds the series that were met so far.

    A time in the future counts as now, as it does on `/metrics`. Raises ValueError for a bad namespace.
    """

    def __init__(self, db: sqlite3.Connection, run: RunLabels, *, namespace: str = NAMESPACE) -> None:
        self._db = db
        self._catalogue = Catalogue.load()
        self._naming = Naming(self._catalogue, namespace)
        self.table = Table(run, SERIES_LIMIT)
        self._now = time.time()
        self._slots: dict[tuple[str, str, Labels, int], tuple[Shape, list[tuple[int, Series, float]]]] = {}

    def __iter__(self) -> Iterator[Point]:
        """All of them. Raises sqlite3.Error."""
        yield from self._samples()
        for source, interval in own_intervals(self._db):
            if interval.state == "step" and interval.step is not None:
                yield from self._step(interval.step, source, interval.labels, interval.end)
            yield from self._lasted(interval, source, interval.end)
        yield from self._most_steps()
        yield from self._problems()
        yield from self._rollouts()
        yield from self._alerts()

    def _samples(self) -> Iterator[Point]:
        for source, samples in StoredSamples(self._db):
            at = self._at(samples.time)
            if at is None:
                continue
            values = samples.values
            for index, series, factor in self._series_of(samples.shape, source):
                yield Point(series, at, values[index] * factor)
            if samples.step is not None:
                yield from self._step(samples.step, source, samples.shape.labels, samples.time)
            for interval in intervals(samples):
                yield from self._lasted(interval, source, samples.time)

    def _series_of(self, shape: Shape, source: Source) -> list[tuple[int, Series, float]]:
        key = (source.role, source.lane, source.labels, id(shape))
        known = self._slots.get(key)
        if known is None:
            named = (*self._naming.native(shape, source), *self._naming.common(shape, source))
            found = ((n.index, self.table.series(n.name, n.labels, n.help), n.factor) for n in named)
            # Holding the shape keeps its id its own.
            known = self._slots[key] = (shape, [(i, series, factor) for i, series, factor in found if series])
        return known[1]

    def _step(self, step: int, source: Source, labels: Labels, when: float | None) -> Iterator[Point]:
        yield from self._point(*step_series(labels, source), when, float(step))

    def _lasted(self, interval: Interval, source: Source, when: float | None) -> Iterator[Point]:
        seconds = interval.seconds
        if seconds is None:
            return
        series = duration_series(interval.lane, interval.state, interval.labels, source)
        yield from self._point(*series, when, seconds)

    def _most_steps(self) -> Iterator[Point]:
        """At the run's beginning, where no line tells when, and at its end."""
        begin, end = self._span()
        sources = sources_of(self._db)
        query = "SELECT source, time, time_is, value FROM fact_rows WHERE key = 'max_steps' ORDER BY id"
        newest: dict[str, float] = {}
        for source, when, time_is, text in self._db.execute(query).fetchall():
            try:
                steps = float(text)
            except ValueError:  # a run without end says `infinite`
                continue
            if math.isfinite(steps):
                role = sources[source].role
                newest[role] = steps
                labels = label_set((("role", role),))
                yield from self._point("rl_max_steps", labels, when if time_is == "logged" else begin, steps)
        for role, steps in newest.items():
            yield from self._point("rl_max_steps", label_set((("role", role),)), end, steps)

    def _problems(self) -> Iterator[Point]:
        """A counter, from 0 at the run's beginning."""
        begin, _ = self._span()
        sources = sources_of(self._db)
        counts: dict[Labels, float] = {}
        query = "SELECT source, time, kind, level, count, labels FROM problem_rows WHERE time IS NOT NULL ORDER BY time"
        for source, when, kind, level, count, labels in self._db.execute(query):
            role = role_of(labels_of(labels), sources[source])
            key = label_set((("role", role), ("kind", kind), ("level", level)))
            if key not in counts and begin is not None and begin < when:
                yield from self._point("rl_problems_total", key, begin, 0.0)
            counts[key] = counts.get(key, 0.0) + count
            yield from self._point("rl_problems_total", key, when, counts[key])

    def _rollouts(self) -> Iterator[Point]:
        sources, figures = sources_of(self._db), RolloutFigures()
        query = (
            "SELECT source, line, offset, time, time_is, step, phase, environment, count, errors, truncated, counts, "
            "figures FROM rollout_rows WHERE time IS NOT NULL ORDER BY time, id"
        )
        for number, line, offset, when, time_is, step, phase, environment, *counted in self._db.execute(query):
            source = sources[number]
            total = statistics_of(*counted)
            place = (source.file, line, offset, when, time_is, step)
            figures.take(RolloutBatch(*place, phase, environment, total), source)
            for figure in figures.changed():
                bounds = BOUNDS[figure.quantity] if isinstance(figure.value, Distribution) else ()
                yield from self._point(figure.name, label_set(*figure.labels), when, figure.value, bounds)

    def _alerts(self) -> Iterator[Point]:
        query = "SELECT detector, severity, time, resolved_time FROM alert_rows ORDER BY time"
        for detector, severity, raised, over in self._db.execute(query).fetchall():
            labels = label_set((("detector", detector), ("severity", severity)))
            yield from self._point("rl_alert_active", labels, raised, 1.0)
            yield from self._point("rl_alert_active", labels, over, 0.0)

    def _point(
        self, name: str, labels: Labels, when: float | None, value: float | Distribution,
        bounds: tuple[float, ...] = (),
    ) -> Iterator[Point]:  # fmt: skip
        at = self._at(when)
        quantity = self._catalogue[name]
        series = self.table.series(name, labels, quantity.help, quantity.type, bounds) if at is not None else None
        if series is not None and at is not None:
            yield Point(series, at, value)

    def _at(self, when: float | None) -> int | None:
        """None for a time that is not known."""
        if when is None or not math.isfinite(when) or when < 0:
            return None
        return milliseconds(min(when, self._now))

    def _span(self) -> tuple[float | None, float | None]:
        """The run's first and last known time."""
        first, last = self._db.execute(
            "SELECT min(first), max(last) FROM (SELECT min(time) AS first, max(time) AS last FROM lines "
            'UNION ALL SELECT min(start), max("end") FROM interval_rows)'
        ).fetchone()
        return first, last


def milliseconds(when: float) -> int:
    """A time in Unix seconds as Prometheus keeps it."""
    return math.floor(when * 1000.0 + 0.5)
