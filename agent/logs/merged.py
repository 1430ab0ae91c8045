"""All text files of a run merged by time, from the files themselves and from what its store knows of them."""

from __future__ import annotations

import heapq
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo

from rli_agent.discover import Found, Scan
from rli_agent.follow.reader import FileReader
from rli_agent.logs.lines import LogFile, LogLine, level_of, levels_of_problems, shown

#: Files that are merged, the last written ones.
MOST_FILES = 300
#: Seconds between two looks at the files that are followed, and between two looks for new ones.
POLL, RESCAN = 0.25, 5.0
_BUDGET = 1 << 20


def text_files(scan: Scan) -> list[Found]:
    """The files that hold text, the last written ones where there are many."""
    found = [f for f in scan.found if f.source.reader == "text"]
    return sorted(found, key=lambda f: -_changed(f))[:MOST_FILES]


def merged(found: Sequence[Found], db: sqlite3.Connection, zone: tzinfo) -> Iterator[LogLine]:
    """The lines of all files in the order of their times. db: the run's store."""
    files = [LogFile(f.path, f.source, zone, _known(db, f.source.file), _levels(db, f.source.file)) for f in found]
    yield from heapq.merge(*(file.lines() for file in files), key=lambda line: line.time)


def followed(find: Callable[[], list[Found]], wanted: Callable[[], bool]) -> Iterator[LogLine]:
    """What is written from now on, stamped when it is read, as long as `wanted`; also into files that come later."""
    readers: dict[str, tuple[Found, FileReader]] = {}
    levels: dict[str, str | None] = {}
    looked, first = 0.0, True
    while wanted():
        if time.monotonic() - looked >= RESCAN or first:
            looked = time.monotonic()
            for found in find():
                if found.source.file not in readers:
                    reader = FileReader(found.path, None, start_at_end=first)
                    readers[found.source.file] = (found, reader)
                    if first:
                        list(reader.read(_BUDGET))
            first = False
        for name, (found, reader) in readers.items():
            for block in reader.read(_BUDGET):
                for number, raw in enumerate(block.data.split(b"\n")[:-1], block.line):
                    rank, text = shown(raw)
                    levels[name] = level_of(text) or levels.get(name)
                    yield LogLine(time.time(), name, number, found.source.role, rank, levels[name], text)
        time.sleep(POLL)


def _changed(found: Found) -> float:
    try:
        return os.stat(found.path).st_mtime
    except OSError:
        return 0.0


def _known(db: sqlite3.Connection, file: str) -> list[tuple[int, float]]:
    rows = db.execute(
        "SELECT l.line, max(l.time) FROM lines l JOIN sources s ON s.id = l.source "
        "WHERE s.file = ? AND l.time IS NOT NULL GROUP BY l.line ORDER BY l.line", (file,),
    )  # fmt: skip
    return [(int(line), float(when)) for line, when in rows]


def _levels(db: sqlite3.Connection, file: str) -> dict[int, str]:
    return levels_of_problems(db.execute("SELECT line, level, message FROM problems WHERE file = ?", (file,)))
