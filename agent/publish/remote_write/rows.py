"""Rows of the store that a receiver does not have yet, and how far it has them once it took these."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from rli_agent.publish.remote_write.position import Cursor, Position
from rli_agent.store import lookup
from rli_agent.store.connection import read_only
from rli_agent.store.rows import file_name

#: Rows of each table in a portion.
LINES = 500
#: Seconds for which a batch of rollouts waits: it is told again, as another row, as long as its file grows.
RIPENING = 30.0
#: Seconds until a source that lacks times is looked at again.
RECHECK = 30.0

_LINES = "SELECT id, source, time, shape, step, values_json FROM lines"
_INTERVALS = 'SELECT id, source, "end", state, step, coalesce(duration, "end" - start) FROM interval_rows NOT INDEXED'
_ROLLOUTS = "SELECT id, source, time, step, phase, environment FROM rollout_rows NOT INDEXED"
_OTHERS = ("interval_rows", "rollout_rows")
_END = 2**63 - 1


class Line(NamedTuple):
    """A line with figures, as JSON. Here and below: time in Unix seconds; source, shape and state are their ids."""

    source: int
    time: float
    shape: int
    step: int | None
    values: str


class Interval(NamedTuple):
    source: int
    time: float
    state: int
    step: int | None
    seconds: float | None


class Batch(NamedTuple):
    """Rollouts of this kind are new, or told again."""

    source: int
    time: float
    step: int | None
    phase: str
    environment: str


class Portion(NamedTuple):
    """What is to be sent next; `after` is the position once it has arrived."""

    lines: list[Line]
    intervals: list[Interval]
    batches: list[Batch]
    after: Position


#: Rows of the three tables, each (id, source, time, …).
_Found = tuple[list[Any], list[Any], list[Any]]


class Rows:
    """Reads a run's store while another thread writes it. For one thread.

    unsettled: asked for the files that are being read for the first time, whose times may still change; it must name
    a file before any of its rows is committed.
    """

    def __init__(self, path: Path, unsettled: Callable[[], Set[str]]) -> None:
        """Raises StoreError where there is no store."""
        self.db = read_only(path)
        self._unsettled = unsettled
        self._ids: dict[str, int] = {}
        self._tops: list[tuple[float, int]] = []
        self._timeless: dict[int, float] = {}

    def close(self) -> None:
        self.db.close()

    def kept(self, name: str) -> bytes | None:
        """What was last kept under this name (RunStore.knowledge)."""
        return lookup.kept(self.db, name)

    def waiting(self, position: Position) -> int:
        """About how many rows the receiver does not have and could have."""
        query = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table in ("lines", *_OTHERS))
        lines, intervals, rollouts = self.db.execute(f"SELECT {query}").fetchone()
        tops = (lines, intervals, min(rollouts, self._tops[0][1]) if self._tops else rollouts)
        at = position.reached
        return sum(max(0, top - have) for top, have in zip(tops, (at.lines, at.intervals, at.rollouts), strict=True))

    def next(self, position: Position, last: bool = False) -> Portion:
        """The next portion; an empty one with the same position where there is none. `last`: nothing more will come."""
        at = position.reached
        found: _Found = (
            self._read(_LINES, at.lines, _END), self._read(_INTERVALS, at.intervals, _END),
            self._read(_ROLLOUTS, at.rollouts, self._ripe(last)),
        )  # fmt: skip
        held = self._held()  # after the rows were read: each source is in it whose times may still change
        portion = Portion([], [], [], position)
        for source in [source for source in position.behind if source not in held]:
            if len(portion.lines) < LINES and (last or time.monotonic() >= self._timeless.get(source, 0.0)):
                portion = self._catch_up(portion, source)
        if not any(found):
            return portion
        rows = [row for table in found for row in table]
        behind = dict(portion.after.behind)
        for source in {row[1] for row in rows if row[1] in held or row[2] is None} - behind.keys():
            behind[source] = at
        lines, intervals, rollouts = ([row for row in table if row[1] not in behind] for table in found)
        _add(portion, (lines, intervals, rollouts))
        return portion._replace(after=Position(_beyond(at, found), behind))

    def _catch_up(self, portion: Portion, source: int) -> Portion:
        """Add rows of a source that was left behind, unless one lacks its time."""
        after = portion.after
        at, to = after.behind[source], after.reached
        found: _Found = (
            self._read(_LINES, at.lines, to.lines, source), self._read(_INTERVALS, at.intervals, to.intervals, source),
            self._read(_ROLLOUTS, at.rollouts, to.rollouts, source),
        )  # fmt: skip
        if any(row[2] is None for table in found for row in table):
            self._timeless[source] = time.monotonic() + RECHECK
            return portion
        _add(portion, found)
        behind = dict(after.behind)
        if any(found):
            behind[source] = _beyond(at, found)
        else:
            del behind[source]
        return portion._replace(after=replace(after, behind=behind))

    def _read(self, query: str, low: int, top: int, source: int | None = None) -> list[Any]:
        """Rows with ids above `low`, up to `top`. In the order of the table: by an index, those of one source would be
        sorted again for each portion."""
        where, values = ("", ()) if source is None else (" AND +source = ?", (source,))
        return self.db.execute(
            f"{query} WHERE id > ? AND id <= ?{where} ORDER BY id LIMIT {LINES}", (low, top, *values)
        ).fetchall()

    def _held(self) -> Set[int]:
        files = self._unsettled()
        if not files <= self._ids.keys():
            self._ids = {file_name(key): number for number, key in self.db.execute("SELECT id, file FROM sources")}
        return {self._ids[file] for file in files if file in self._ids}

    def _ripe(self, last: bool) -> int:
        """The newest batch that is old enough not to be told again soon with more rollouts in it."""
        (top,) = self.db.execute("SELECT coalesce(max(id), 0) FROM rollout_rows").fetchone()
        now = time.monotonic()
        if last or not self._tops:
            self._tops = [(-math.inf, top)]
        elif top != self._tops[-1][1]:
            self._tops.append((now, top))
        while len(self._tops) > 1 and self._tops[1][0] <= now - RIPENING:
            del self._tops[0]
        return self._tops[0][1]


def _add(portion: Portion, found: _Found) -> None:
    lines, intervals, rollouts = found
    portion.lines.extend(Line(*row[1:]) for row in lines)
    portion.intervals.extend(Interval(*row[1:]) for row in intervals)
    portion.batches.extend(Batch(*row[1:]) for row in rollouts)


def _beyond(at: Cursor, found: _Found) -> Cursor:
    before = (at.lines, at.intervals, at.rollouts)
    return Cursor(*(table[-1][0] if table else top for table, top in zip(found, before, strict=True)))
