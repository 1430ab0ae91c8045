"""The parts of a log file that a bug report needs: its beginning, its end, and what stands around problems."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from rli_agent.bundle.prompts import LogText
from rli_agent.logs.lines import shown
from rli_agent.store.rows import file_key

#: Bytes of the beginning, of the end, and before and after a problem.
HEAD, TAIL, BEFORE, AFTER = 48 << 10, 64 << 10, 12 << 10, 24 << 10
#: Problems of a file that are shown around: the first and the last of them.
_FIRST, _LAST = 6, 6
#: Bytes of a line that are looked at.
_LONGEST = 1 << 16


class Excerpt:
    """The wanted parts of one file. db: the run's store, which knows which lines rules have read."""

    def __init__(self, path: Path, file: str, db: sqlite3.Connection, around: Sequence[int] = ()) -> None:
        """around: offsets of further places that are wanted."""
        self._path = path
        key = file_key(file)
        (source,) = db.execute("SELECT id FROM sources WHERE file = ?", (key,)).fetchone() or (None,)
        rows = db.execute("SELECT offset, message FROM problem_rows WHERE source = ? ORDER BY offset", (source,))
        self._problems = [(offset, message.count("\n") + 1) for offset, message in rows]
        wanted = [offset for offset, _ in self._problems]
        self._around = [*wanted[:_FIRST], *wanted[-_LAST:], *around]
        self._db, self._source = db, source

    def parts(self) -> Iterator[tuple[int, list[LogText]]]:
        """The parts in their order: how many bytes are left out before each, and its lines. Raises OSError."""
        blocks = dict(self._problems)
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            read = 0
            around = [(offset - BEFORE, offset + AFTER) for offset in self._around]
            for begin, end in _merged([(0, HEAD), (size - TAIL, size), *around]):
                start = _line_start(file, max(0, min(begin, size)))
                if start >= size:
                    continue
                start = max(start, read)
                yield start - read, list(self._lines(file, start, min(end, size), blocks))
                read = file.tell()
            if read < size:
                yield size - read, []

    def _lines(self, file: BinaryIO, start: int, end: int, blocks: dict[int, int]) -> Iterator[LogText]:
        known = self._read_by_rules(start, end)
        file.seek(start)
        of_problem = 0
        while (offset := file.tell()) < end and (raw := file.readline(_LONGEST)):
            rest = raw
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_LONGEST)
            of_problem = max(of_problem - 1, blocks.get(offset, 0))
            text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
            yield LogText(text, shown(raw.rstrip(b"\n"))[1], of_problem > 0 or offset in known)

    def _read_by_rules(self, start: int, end: int) -> set[int]:
        """Where lines begin of which a rule has taken something."""
        where = "WHERE source = ? AND offset BETWEEN ? AND ?"
        tables = ("lines", "interval_rows", "fact_rows")
        query = " UNION ".join(f"SELECT offset FROM {table} {where}" for table in tables)
        return {offset for (offset,) in self._db.execute(query, (self._source, start, end) * len(tables))}


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _line_start(file: BinaryIO, offset: int) -> int:
    """Where the first line begins at or after this offset."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    while (piece := file.readline(_LONGEST)) and not piece.endswith(b"\n"):
        pass
    return file.tell()
