"""Closed intervals out of the store, in the order in which they ended."""

from __future__ import annotations

import json
import math
import sqlite3
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from rli_agent.events import Attributes, Plan, TimeIs
from rli_agent.parsers.timeline import laid_out
from rli_agent.store import lookup
from rli_agent.store.connection import read_only
from rli_agent.store.rows import attributes_of, values_of

#: Rows fetched in one statement.
AT_ONCE = 500


class State(Struct, gc=False):
    """A lane was in a state from `start` to `end` (Unix seconds, `end` never before `start`).

    `at` is when the text told of it: the time of its line. `place` is where that stands (file, line, and the time if
    the text gives it: a file may be emptied and written again), `number` counts the line's states: they tell apart what
    is alike otherwise, and stay the same when the logs are read again.
    """

    at: float
    start: float
    end: float
    lane: str
    state: str
    step: int | None
    place: str
    number: int = 0
    attributes: Attributes = ()


class Cursor(Struct, frozen=True):
    """How far intervals were taken: all rows up to the ids `lines` and `intervals`, but, where `since` is given, for
    those told of at that time or later, which may still wait for their step."""

    lines: int = 0
    intervals: int = 0
    since: float | None = None


class Rows:
    """Reads a run's store while another thread writes it. For one thread."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError where there is no store."""
        self._db = read_only(path)
        self._order: array[int] = array("q")
        self._done = 0

    def close(self) -> None:
        self._db.close()

    def kept(self, name: str) -> bytes | None:
        """What was last kept under this name (RunStore.knowledge)."""
        return lookup.kept(self._db, name)

    def begin(self, cursor: Cursor) -> Cursor:
        """Take up what is beyond the cursor, to be had from `chunks`; returns the cursor after it.

        Raises sqlite3.Error.
        """
        query = "SELECT (SELECT coalesce(max(id), 0) FROM lines), (SELECT coalesce(max(id), 0) FROM interval_rows)"
        lines, spans = self._db.execute(query).fetchone()
        after = Cursor(max(lines, cursor.lines), max(spans, cursor.intervals))
        self._order, self._done = array("q"), 0
        if cursor.since is None and (after.lines, after.intervals) == (cursor.lines, cursor.intervals):
            return after
        again = cursor.since is not None
        where = {
            "lines": cursor.lines, "intervals": cursor.intervals, "top_lines": after.lines, "top": after.intervals,
            "low_lines": 0 if again else cursor.lines, "low": 0 if again else cursor.intervals,
            "since": cursor.since if again else math.inf,
        }  # fmt: skip
        # One short statement that gives ids alone: the rows are fetched as they are needed.
        found = self._db.execute(
            "SELECT 2 * id AS row, time AS at FROM lines WHERE id > :low_lines AND id <= :top_lines "
            "AND (id > :lines OR time >= :since) AND time IS NOT NULL "
            "AND +shape IN (SELECT id FROM shapes WHERE plan IS NOT NULL) "
            'UNION ALL SELECT 2 * id + 1, "end" FROM interval_rows NOT INDEXED WHERE id > :low AND id <= :top '
            'AND (id > :intervals OR "end" >= :since) AND "end" IS NOT NULL ORDER BY at, row',
            where,
        )
        self._order.extend(row for row, _ in found)
        return after

    @property
    def waiting(self) -> int:
        """Rows taken up and not yet had."""
        return len(self._order) - self._done

    def beyond(self, cursor: Cursor) -> int:
        """Rows with states in the store after the cursor."""
        query = (
            "SELECT (SELECT count(*) FROM lines WHERE id > ? AND shape IN "
            "(SELECT id FROM shapes WHERE plan IS NOT NULL)) + (SELECT count(*) FROM interval_rows WHERE id > ?)"
        )
        return int(self._db.execute(query, (cursor.lines, cursor.intervals)).fetchone()[0])

    def chunks(self) -> Iterator[list[State]]:
        """What `begin` took up, earliest first. Rows pruned meanwhile are left out. Raises sqlite3.Error."""
        while self._done < len(self._order):
            chunk = self._order[self._done : self._done + AT_ONCE]
            self._done += len(chunk)
            found = self._lines([row >> 1 for row in chunk if not row & 1])
            found.update(self._own_lines([row >> 1 for row in chunk if row & 1]))
            yield [state for row in chunk for state in found.get(row, ())]

    def _lines(self, ids: list[int]) -> dict[int, list[State]]:
        """States that the durations of metric lines tell of."""
        rows: sqlite3.Cursor | tuple[()] = ()
        if ids:
            rows = self._db.execute(
                "SELECT l.id, s.file, l.line, l.step, l.time, l.time_is, h.plan, l.values_json FROM lines l "
                "JOIN sources s ON s.id = l.source JOIN shapes h ON h.id = l.shape "
                "WHERE l.id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            )
        found: dict[int, list[State]] = {}
        for row, file, line, step, at, time_is, printed, values in rows:
            if not math.isfinite(at):
                continue
            plan, place = _plan(printed), _place(file, line, at, time_is)
            found[2 * row] = [
                State(at, start, start + seconds, plan.lane, phase.state, step, place, number)
                for number, (phase, start, seconds) in enumerate(laid_out(plan, values_of(values), at))
            ]
        return found

    def _own_lines(self, ids: list[int]) -> dict[int, list[State]]:
        """States that have lines of their own."""
        rows: sqlite3.Cursor | tuple[()] = ()
        if ids:
            rows = self._db.execute(
                'SELECT i.id, s.file, i.line, t.lane, t.state, i.step, i.start, i."end", i.duration, i.time_is, '
                "t.labels, "
                "(SELECT count(*) FROM interval_rows j WHERE j.source = i.source AND j.line = i.line AND j.id < i.id) "
                "FROM interval_rows i JOIN sources s ON s.id = i.source JOIN states t ON t.id = i.state "
                "WHERE i.id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            )
        found: dict[int, list[State]] = {}
        for row, file, line, lane, state, step, start, end, duration, time_is, labels, number in rows:
            begun = start if start is not None else end - (duration or 0.0)
            if math.isfinite(begun) and math.isfinite(end):
                place = f"{_place(file, line, end, time_is)}own\0"
                own = attributes_of(labels)
                found[2 * row + 1] = [State(end, begun, max(begun, end), lane, state, step, place, number, own)]
        return found


def _place(file: object, line: int, at: float, time_is: TimeIs) -> str:
    return f"{file}\0{line}\0{round(at) if time_is == 'logged' else ''}\0"


@lru_cache(maxsize=256)
def _plan(printed: str) -> Plan:
    return msgspec.json.decode(printed, type=Plan)
