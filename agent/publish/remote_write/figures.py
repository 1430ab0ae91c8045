"""Rows of the store as samples of the series that a scrape shows, at the times that the logs give them.

Gauges alone: a counter's past cannot be told apart from that of the agent which counted before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from rli_agent.events import Declared, Labels, Plan, Shape, Source
from rli_agent.publish.naming import Naming, duration_series, label_set, step_series
from rli_agent.publish.remote_write.message import Sample
from rli_agent.publish.remote_write.rows import Batch, Interval, Line, Portion
from rli_agent.publish.remote_write.series import SeriesTable
from rli_agent.publish.rollout_figures import rollout_labels, step_figures
from rli_agent.rollout_statistics import Distribution, RolloutStatistics
from rli_agent.store.rollout_columns import statistics_of
from rli_agent.store.rows import file_name, labels_of, values_of

#: Shapes whose series are remembered.
_KNOWN = 8192


class _Slots(NamedTuple):
    """Which series a line of a shape feeds: (index, series, factor), of durations (index, series), and its step."""

    figures: list[tuple[int, bytes, float]]
    durations: list[tuple[int, bytes]]
    step: bytes | None


class Figures:
    """For one thread, with its connection to the store."""

    def __init__(self, db: sqlite3.Connection, naming: Naming, series: SeriesTable) -> None:
        self._db = db
        self._naming = naming
        self._series = series
        self._sources: dict[int, Source] = {}
        self._states: dict[int, tuple[str, str, Labels]] = {}
        self._slots: dict[tuple[int, int], _Slots] = {}
        self._own: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}

    def samples(self, portion: Portion) -> list[Sample]:
        """In the order of their times, one a series and time. Raises sqlite3.Error."""
        if self._series.renewed():
            for cache in (self._sources, self._slots, self._own):
                cache.clear()
        found: dict[tuple[int, bytes], float] = {}
        for line in portion.lines:
            self._line(line, found)
        for interval in portion.intervals:
            self._interval(interval, found)
        for at, series, value in self._rollouts(portion.batches):
            found[at, series] = value
        return [Sample(at, series, found[at, series]) for at, series in sorted(found)]

    def _line(self, line: Line, found: dict[tuple[int, bytes], float]) -> None:
        slots = self._slots.get((line.source, line.shape))
        if slots is None:
            if len(self._slots) >= _KNOWN:
                self._slots.clear()
            slots = self._slots[line.source, line.shape] = self._slots_of(line.source, line.shape)
        at = milliseconds(line.time)
        if at is None:
            return
        values = values_of(line.values)
        for index, series, factor in slots.figures:
            found[at, series] = values[index] * factor
        for index, series in slots.durations:
            if 0.0 < values[index] < 1e9:
                found[at, series] = values[index]
        if line.step is not None and slots.step is not None:
            found[at, slots.step] = float(line.step)

    def _slots_of(self, source_id: int, shape_id: int) -> _Slots:
        source = self._source(source_id)
        query = "SELECT names, units, metrics, labels, plan, declared FROM shapes WHERE id = ?"
        row = self._db.execute(query, (shape_id,)).fetchone()
        if row is None:  # its lines were pruned just now
            return _Slots([], [], None)
        names, units, metrics, labels, plan, told = row
        known = labels_of(labels)
        declared = msgspec.json.decode(told, type=Declared) if told is not None else None
        if declared is not None and declared.kind != "gauge":
            return _Slots([], [], self._series.get(*step_series(known, source)))
        shape = Shape(tuple(json.loads(names)), tuple(json.loads(units)), tuple(json.loads(metrics)), known)
        figures = []
        for named in (*self._naming.native(shape, source), *self._naming.common(shape, source)):
            series = self._series.get(named.name, named.labels)
            if series is not None:
                figures.append((named.index, series, named.factor))
        durations = []
        layout = msgspec.json.decode(plan, type=Plan) if plan is not None else Plan("", ())
        for phase in layout.phases:
            series = self._series.get(*duration_series(layout.lane, phase.state, (), source))
            if series is not None:
                durations.append((phase.index, series))
        return _Slots(figures, durations, self._series.get(*step_series(known, source)))

    def _interval(self, interval: Interval, found: dict[tuple[int, bytes], float]) -> None:
        at = milliseconds(interval.time)
        if at is None or interval.seconds is None:
            return
        key = (interval.source, interval.state)
        own = self._own.get(key)
        if own is None:
            lane, state, labels = self._state(interval.state)
            source = self._source(interval.source)
            step = self._series.get(*step_series(labels, source)) if state == "step" else None
            own = self._own[key] = (self._series.get(*duration_series(lane, state, labels, source)), step)
        series, step = own
        if series is not None:
            found[at, series] = interval.seconds
        if step is not None and interval.step is not None:
            found[at, step] = float(interval.step)

    def _rollouts(self, batches: Iterable[Batch]) -> Iterator[Sample]:
        """All rollouts of a step together, as a scrape shows them, at the time of the last."""
        kinds = {(batch.step, batch.phase, batch.environment) for batch in batches if batch.step is not None}
        if not kinds:
            return
        rows = self._db.execute(
            "SELECT source, time, step, phase, environment, count, errors, truncated, counts, figures "
            "FROM rollout_rows WHERE step IN (SELECT value FROM json_each(?)) AND time IS NOT NULL",
            (json.dumps(sorted({step for step, _, _ in kinds})),),
        )
        steps: dict[Any, tuple[RolloutStatistics, list[float]]] = {}
        for source_id, time, step, phase, environment, *counted in rows:
            if (step, phase, environment) in kinds:
                source = self._source(source_id)
                labels = rollout_labels(source.role, environment, phase, source.labels)
                total, times = steps.setdefault((step, labels), (RolloutStatistics(), []))
                total.merge(statistics_of(*counted))
                times.append(time)
        for (_, labels), (total, times) in steps.items():
            at = milliseconds(max(times))
            for figure in step_figures(total, labels):
                series = self._series.get(figure.name, label_set(*figure.labels))
                if at is not None and series is not None and not isinstance(figure.value, Distribution):
                    yield Sample(at, series, figure.value)

    def _source(self, number: int) -> Source:
        found = self._sources.get(number)
        if found is None:
            query = "SELECT file, role, lane, labels FROM sources WHERE id = ?"
            file, role, lane, labels = self._db.execute(query, (number,)).fetchone()
            known = labels_of(labels) if labels else ()
            found = self._sources[number] = Source(file_name(file), role or "unknown", lane or "", labels=known)
        return found

    def _state(self, number: int) -> tuple[str, str, Labels]:
        found = self._states.get(number)
        if found is None:
            row = self._db.execute("SELECT lane, state, labels FROM states WHERE id = ?", (number,)).fetchone()
            lane, state, labels = row or ("", "", "{}")  # pruned just now
            found = self._states[number] = (lane, state, labels_of(labels))
        return found


def milliseconds(time: float) -> int | None:
    """None for what is no time of this age."""
    return round(time * 1000) if 0.0 < time < 1e11 else None
