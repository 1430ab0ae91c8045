"""The rows of a store, a few thousand at a time: a long read would keep its write-ahead log from being folded back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from rli_agent.events import Interval, Plan, Samples, Shape, Source
from rli_agent.store.rows import file_name, labels_of, values_of

#: Rows fetched in one statement.
AT_ONCE = 2000


def rows_of(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query in the order of their first column, an integer that no two share.

    The query takes `:after` (rows beyond this one) and `:most` (how many).
    """
    after = 0
    while rows := db.execute(query, {"after": after, "most": AT_ONCE}).fetchall():
        yield from rows
        after = rows[-1][0]


def sources_of(db: sqlite3.Connection) -> dict[int, Source]:
    """The run's files by their number."""
    rows = db.execute("SELECT id, file, role, lane, labels FROM sources").fetchall()
    return {
        number: Source(file_name(file), role or "unknown", lane or "", labels=labels_of(labels or "{}"))
        for number, file, role, lane, labels in rows
    }


class StoredSamples:
    """The metric lines of a store as they were read from the logs. with_plan: those whose durations tell of states."""

    def __init__(self, db: sqlite3.Connection, with_plan: bool = False) -> None:
        self._db = db
        self._where = "AND +shape IN (SELECT id FROM shapes WHERE plan IS NOT NULL)" if with_plan else ""
        self._shapes: dict[int, Shape] = {}

    def __iter__(self) -> Iterator[tuple[Source, Samples]]:
        sources = sources_of(self._db)
        query = (
            "SELECT id, source, line, offset, shape, step, time, time_is, values_json FROM lines "
            f"WHERE id > :after {self._where} ORDER BY id LIMIT :most"
        )
        for _, source, line, offset, shape, step, time, time_is, printed in rows_of(self._db, query):
            known = self._shapes.get(shape) or self._shape(shape)
            found = sources.get(source)
            if found is None:  # a file that was met meanwhile
                sources = sources_of(self._db)
                found = sources[source]
            values = values_of(printed)
            yield found, Samples(found.file, line, offset, time, time_is, step, known, values, printed)

    def _shape(self, number: int) -> Shape:
        query = "SELECT names, units, metrics, labels, plan FROM shapes WHERE id = ?"
        *words, labels, plan = self._db.execute(query, (number,)).fetchone()
        names, units, metrics = (tuple(json.loads(word)) for word in words)
        layout = msgspec.json.decode(plan, type=Plan) if plan else None
        shape = self._shapes[number] = Shape(names, units, metrics, labels_of(labels), layout)
        return shape


def own_intervals(db: sqlite3.Connection) -> Iterator[tuple[Source, Interval]]:
    """The closed intervals that have lines of their own; the others follow from the metric lines."""
    sources = sources_of(db)
    query = (
        'SELECT i.id, i.source, i.line, i.offset, i.time_is, t.lane, t.state, i.step, i.start, i."end", i.duration, '
        "nullif(t.key, ''), t.labels FROM interval_rows i JOIN states t ON t.id = i.state "
        "WHERE i.id > :after ORDER BY i.id LIMIT :most"
    )
    for _, source, line, offset, time_is, lane, state, step, start, end, duration, key, labels in rows_of(db, query):
        found = sources.get(source)
        if found is None:
            sources = sources_of(db)
            found = sources[source]
        own = labels_of(labels)
        yield found, Interval(found.file, line, offset, time_is, lane, state, step, start, end, duration, key, own)


def open_intervals(db: sqlite3.Connection) -> Iterator[tuple[Source, Interval]]:
    """The states that lanes are in now."""
    sources = sources_of(db)
    rows = db.execute(
        "SELECT i.source, i.line, i.offset, i.time_is, t.lane, t.state, i.step, "
        "CASE WHEN i.time_is <> 'estimated' OR i.start > 0 THEN i.start END, nullif(t.key, ''), t.labels "
        "FROM interval_open i JOIN states t ON t.id = i.state ORDER BY i.source, i.line"
    ).fetchall()
    for number, line, offset, time_is, lane, state, step, start, key, labels in rows:
        source = sources[number]
        place = (source.file, line, offset, time_is, lane, state, step, start)
        yield source, Interval(*place, None, None, key, labels_of(labels))
