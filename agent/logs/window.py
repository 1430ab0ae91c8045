"""A window on a run's merged log: some lines before and after a moment.

Lines are ordered by time, file and number, so that a place in the log can be named, and the next window begins there.
"""

from __future__ import annotations

import heapq
import math
import sqlite3
from collections import deque
from datetime import tzinfo
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from rli_agent.logs.lines import LogLine
from rli_agent.logs.part import Budget, Key, Part, sources
from rli_agent.logs.selection import Selection

#: Bytes read of a file to find lines before a moment: at first, and at most.
BACK, FAR = 1 << 16, 1 << 21
#: Characters of lines that are looked through for those after a moment; of a line that is shown.
ENOUGH, LONGEST = 4 << 20, 4000
#: Behind all lines.
END: Key = (1e12, 0, 0)


class Window(Struct, frozen=True):
    """Lines in the order of their times. `first` and `last` are cursors for the lines before and after them; where
    `more_before` or `more_after` says so, there may be more. `roles` and `files`: that can be asked for."""

    lines: list[LogLine]
    first: str
    last: str
    more_before: bool
    more_after: bool
    roles: list[str]
    files: list[str]


class Found(NamedTuple):
    """Lines, whether there may be more of them, and how far away from the beginning of the search one has looked."""

    lines: list[tuple[Key, LogLine]]
    more: bool
    seen: Key


def window(
    db: sqlite3.Connection, zone: tzinfo, at: Key, before: int, after: int, selection: Selection, file: str | None
) -> Window:
    """Up to `before` lines that stand before `at`, and `after` that stand after it, of those that are wanted. file: of
    this one alone."""
    there = sources(db)
    files = [Part(db, source, zone) for source in there if file in (None, source.name)]
    earlier = _earlier(files, at, before, selection, Budget()) if before else Found([], True, at)
    later = _later(files, at, after, selection, Budget()) if after and at != END else Found([], at != END, at)
    lines = [*earlier.lines, *later.lines]
    first = lines[0][0] if lines else at
    if earlier.more and len(earlier.lines) < before:
        first = earlier.seen  # there were none from there on
    last = later.seen if later.lines or not lines else lines[-1][0]
    return Window(
        [_told(line) for _, line in lines], cursor(first), cursor(last), earlier.more, later.more,
        sorted({source.role for source in there}), [source.name for source in there],
    )  # fmt: skip


def cursor(key: Key) -> str:
    """A place in the log, as text."""
    return f"{key[0]!r}:{key[1]}:{key[2]}"


def key_of(text: str) -> Key:
    """The place that a cursor names. Raises ValueError."""
    time, source, line = text.split(":")
    key = (float(time), int(source), int(line))
    if math.isnan(key[0]) or max(map(abs, key)) > 2**53:
        raise ValueError(text)
    return key


def _told(line: LogLine) -> LogLine:
    return line if len(line.text) <= LONGEST else replace(line, text=line.text[:LONGEST])


def _earlier(files: list[Part], at: Key, number: int, selection: Selection, budget: Budget) -> Found:
    """The last lines before `at`."""
    back = BACK
    while True:
        starts = [file.start(at, back) for file in files]
        # Before the latest of these beginnings lines of that file would be missing.
        floors = [file.key_of(start) for file, start in zip(files, starts, strict=True) if start.offset]
        floor = max(floors, default=None)
        if floor is not None and selection.since is not None and floor[0] < selection.since:
            floor = None  # nothing before that is wanted
        kept: deque[tuple[Key, LogLine]] = deque(maxlen=number)
        wanted = 0
        parts = [file.lines(start, budget) for file, start in zip(files, starts, strict=True)]
        for key, line in heapq.merge(*parts, key=_key):
            if key >= at:
                break
            if (floor is None or key >= floor) and selection.wants(line):
                wanted += 1
                kept.append((key, line))
        if floor is None or wanted >= number or back >= FAR or budget.is_spent:
            return Found(list(kept), floor is not None or wanted > number, floor or at)
        back *= 8


def _later(files: list[Part], at: Key, number: int, selection: Selection, budget: Budget) -> Found:
    """The first lines after `at`."""
    found: list[tuple[Key, LogLine]] = []
    seen, passed = at, 0
    for key, line in heapq.merge(*(file.lines(file.start(at, 0), budget) for file in files), key=_key):
        if key <= at:
            continue
        if len(found) == number or passed > ENOUGH:
            return Found(found, True, seen)
        if selection.until is not None and key[0] > selection.until:
            return Found(found, False, seen)
        seen, passed = key, passed + len(line.text)
        if selection.wants(line):
            found.append((key, line))
    return Found(found, budget.is_spent and seen > at, seen)


def _key(item: tuple[Key, LogLine]) -> Key:
    return item[0]
