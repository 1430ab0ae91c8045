"""A part of a log file, read without what stands before it.

The store knows of many lines when they were written, and at which byte they begin: from such a landmark on, a file is
read as far as somebody wants it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from rli_agent.discover import reader_of
from rli_agent.events import Source
from rli_agent.logs.lines import LogFile, LogLine, level_of, levels_of_problems, raw_lines, shown, stamp_of
from rli_agent.parsers.timestamps import Clock, ClockState
from rli_agent.store.rows import file_name

#: Files of a run that are looked at, the last written ones.
FILES = 300
#: Bytes that one search reads of all files together; bytes at the end of a file of which the store knows no line.
MOST, TAIL = 32 << 20, 2 << 20
#: Rows of the store that tell of times and levels in one part; lines that are looked at for stamps.
_ROWS, _LOOK = 5000, 50
_TABLES = (("lines", "time"), ("problem_rows", "time"), ("interval_rows", '"end"'))

#: What lines are ordered by: time, file (a number of the store), line.
Key = tuple[float, int, int]


class LogSource(NamedTuple):
    """A log file that the store knows."""

    id: int
    name: str
    role: str
    path: Path


class Landmark(NamedTuple):
    """A line of which it is known where it begins; its time, or that of the first line that has one."""

    line: int
    offset: int
    time: float | None


class Budget:
    """The bytes that one search may still read."""

    def __init__(self) -> None:
        self._left = MOST

    def spend(self, size: int) -> None:
        self._left -= size

    @property
    def is_spent(self) -> bool:
        return self._left <= 0


def sources(db: sqlite3.Connection) -> list[LogSource]:
    """The run's log files, the last written first."""
    (root,) = db.execute("SELECT root FROM runs").fetchone() or (".",)
    place = Path(root)
    rows = db.execute(
        "SELECT id, file, role FROM sources WHERE offset IS NOT NULL ORDER BY mtime DESC, id LIMIT ?", (10 * FILES,)
    ).fetchall()
    named = ((number, file_name(key), role or "unknown") for number, key, role in rows)
    is_dir = place.is_dir()
    found = (
        LogSource(number, name, role, place / name if is_dir else place)
        for number, name, role in named
        if reader_of(name) == "text"
    )
    return list(islice(found, FILES))


class Part:
    """One file, read from a landmark on."""

    def __init__(self, db: sqlite3.Connection, source: LogSource, zone: tzinfo) -> None:
        self._db = db
        self._source = source
        self._zone = zone

    def start(self, at: Key, back: int) -> Landmark:
        """The last landmark that was written before a moment, or one that stands at least `back` bytes before that."""
        found = self._last(lambda mark: mark.time is not None and mark.time < at[0])
        if found is not None and back:
            floor = found.offset - back
            found = self._last(lambda mark: mark.offset <= floor)
        return found or self._beginning()

    def key_of(self, mark: Landmark) -> Key:
        """Where a landmark stands in the log."""
        return mark.time or 0.0, self._source.id, mark.line

    def lines(self, start: Landmark, budget: Budget) -> Iterator[tuple[Key, LogLine]]:
        """The lines from a landmark on, as long as the budget lasts; times never decrease. None of a file that cannot
        be read."""
        time = 0.0
        for line in self._stamped(start, budget):
            time = max(time, line.time)
            yield (time, self._source.id, line.line), replace(line, time=time)

    def _stamped(self, start: Landmark, budget: Budget) -> Iterator[LogLine]:
        source = Source(self._source.name, self._source.role)
        levels = self._levels(start.line)
        try:
            if start.time is None:
                begin = _tail(self._source.path)
                budget.spend(TAIL)
                yield from LogFile(self._source.path, source, self._zone, [], levels, begin).lines()
                return
            mtime = os.stat(self._source.path).st_mtime
            clock = Clock(ClockState(last=start.time, dated=True), self._zone, mtime)
            with self._source.path.open("rb") as file:
                file.seek(start.offset)
                raws = raw_lines(file)
                head = list(islice(raws, _LOOK))
                known = iter([] if any(map(stamp_of, head)) else self._known(start.line))
                ahead = next(known, None)
                time, level = start.time, None
                for number, raw in enumerate(chain(head, raws), start.line):
                    if budget.is_spent:
                        return
                    budget.spend(len(raw) + 1)
                    while ahead is not None and ahead[0] < number:
                        ahead = next(known, None)
                    stamp = stamp_of(raw)
                    if stamp is not None:
                        time = clock.time_of(stamp, number)
                    elif ahead is not None:
                        time = ahead[1]
                    rank, text = shown(raw)
                    told = level_of(text)
                    if told is not None or not text:
                        level = told
                    yield LogLine(time, source.file, number, source.role, rank, levels.get(number, level), text)
        except OSError:
            return

    def _beginning(self) -> Landmark:
        """The first byte, with the time of the first line that has one."""
        first = (self._at(table, time, 0) for table, time in _TABLES)
        return Landmark(1, 0, min((mark.time for mark in first if mark and mark.time is not None), default=None))

    def _last(self, fits: Callable[[Landmark], bool]) -> Landmark | None:
        """The last landmark that fits, where all before one that fits do as well."""
        found = [mark for table, time in _TABLES if (mark := self._last_of(table, time, fits)) is not None]
        return max(found, default=None)

    def _last_of(self, table: str, time: str, fits: Callable[[Landmark], bool]) -> Landmark | None:
        query = f"SELECT min(line), max(line) FROM {table} WHERE source = ?"
        low, high = self._db.execute(query, (self._source.id,)).fetchone()
        found = None
        while low is not None and low <= high:
            middle = (low + high) // 2
            mark = self._at(table, time, middle)
            if mark is not None and fits(mark):
                found, low = mark, mark.line + 1
            else:
                high = middle - 1
        return found

    def _at(self, table: str, time: str, line: int) -> Landmark | None:
        """The first row of a table at this line or behind it that has a time."""
        row = self._db.execute(
            f"SELECT line, offset, {time} FROM {table} WHERE source = ? AND line >= ? AND {time} IS NOT NULL "
            "ORDER BY line LIMIT 1",
            (self._source.id, line),
        ).fetchone()
        return None if row is None else Landmark(*row)

    def _known(self, line: int) -> list[tuple[int, float]]:
        """Times of lines in a file whose lines have no stamps."""
        rows = self._db.execute(
            "SELECT line, time FROM lines WHERE source = ? AND line >= ? AND time IS NOT NULL ORDER BY line LIMIT ?",
            (self._source.id, line, _ROWS),
        ).fetchall()
        return [(int(number), float(time)) for number, time in rows]

    def _levels(self, line: int) -> dict[int, str]:
        rows = self._db.execute(
            "SELECT line, level, message FROM problem_rows WHERE source = ? AND line >= ? ORDER BY line LIMIT ?",
            (self._source.id, line - 100, _ROWS),
        )
        return levels_of_problems(rows)


def _tail(path: Path) -> tuple[int, int]:
    """The number and the first byte of a line near the end of a file. Raises OSError."""
    skipped = os.stat(path).st_size - TAIL
    if skipped <= 0:
        return 1, 0
    with path.open("rb") as file:
        line = 1
        while (left := skipped - file.tell()) > 0:
            line += file.read(min(left, 1 << 20)).count(b"\n")
        file.readline()
        return line + 1, file.tell()
