"""Times that become known later than their events: stamps without a date, lines without a stamp."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from rli_agent.parsers.rebuilding import Mark

_OTHERS = ("problem_rows", "rollout_rows", "fact_rows")
_TIMED = ("lines", *_OTHERS)
#: An open interval that waits for its line's time; `start` is None or relative to it.
_OPEN_UNPLACED = "time_is = 'estimated' AND (start IS NULL OR start <= 0)"
#: The keys of files of which something waits for a time.
UNSETTLED = (
    "SELECT file FROM sources WHERE id IN ("
    + " UNION ".join(f"SELECT source FROM {table} WHERE time IS NULL" for table in _TIMED)
    + f" UNION SELECT source FROM interval_unplaced UNION SELECT source FROM interval_open WHERE {_OPEN_UNPLACED})"
)
_LAST = 2**63 - 1
_AT_ONCE = 5000


def _source(db: sqlite3.Connection, key: str | bytes) -> int:
    found = db.execute("SELECT id FROM sources WHERE file = ?", (key,)).fetchone()
    return found[0] if found else -1


def shift(db: sqlite3.Connection, key: str | bytes, by: Callable[[float], float], before_line: int | None) -> None:
    """Moves the "logged" times of a file's rows; see RunStore.shift."""
    which = (_source(db, key), _LAST if before_line is None else before_line)
    where = "WHERE source = ? AND line < ? AND time_is = 'logged'"
    db.create_function("moved_by", 1, lambda time: None if time is None else by(time), deterministic=True)
    for table in ("line_rows", *_OTHERS):
        db.execute(f"UPDATE {table} SET time = time + moved_by(time) {where}", which)
    db.execute(
        f'UPDATE interval_rows SET start = start + moved_by("end"), "end" = "end" + moved_by("end") {where}', which
    )
    db.execute(f"UPDATE interval_open SET start = start + moved_by(start) {where}", which)
    db.create_function("moved_by", 1, None)


def marks(db: sqlite3.Connection, key: str | bytes) -> Iterator[Mark]:
    """Lines, newest first, back to the last one before all those without a time; see RunStore.marks."""
    source = _source(db, key)
    waiting = " UNION ALL ".join(
        [f"SELECT min(line) AS line FROM {table} WHERE source = :source AND time IS NULL" for table in _TIMED]
        + ["SELECT min(line) FROM interval_unplaced WHERE source = :source"]
        + [f"SELECT min(line) FROM interval_open WHERE source = :source AND {_OPEN_UNPLACED}"]
    )
    (first,) = db.execute(f"SELECT min(line) FROM ({waiting})", {"source": source}).fetchone()
    if first is None:
        return
    before = " UNION ALL ".join(
        f"SELECT max(line) AS line FROM {table} WHERE source = :source AND line < :first AND time IS NOT NULL"
        for table in _TIMED
    )
    (floor,) = db.execute(f"SELECT max(line) FROM ({before})", {"source": source, "first": first}).fetchone()
    first = first if floor is None else floor
    where = "WHERE source = :source AND line >= :first"
    arms = [
        f"SELECT line, time, {'lasted' if table == 'lines' else 'NULL'} AS seconds FROM {table} {where}"
        for table in _TIMED
    ]
    arms.append(f'SELECT line, "end", NULL FROM interval_rows {where}')
    arms.append(f"SELECT line, NULL, NULL FROM interval_unplaced {where}")
    arms.append(f"SELECT line, NULL, NULL FROM interval_open {where} AND {_OPEN_UNPLACED}")
    yield from db.execute(
        f"SELECT line, max(time), max(seconds) FROM ({' UNION ALL '.join(arms)}) GROUP BY line ORDER BY line DESC",
        {"source": source, "first": first},
    )


def place(db: sqlite3.Connection, key: str | bytes, times: Iterable[tuple[int, float]]) -> None:
    """Fills in times; see RunStore.place."""
    source = _source(db, key)
    # On disk like every temporary table, so that a file of millions of lines needs no memory.
    db.execute("CREATE TEMP TABLE IF NOT EXISTS placed (line INTEGER PRIMARY KEY, time REAL NOT NULL)")
    db.execute("DELETE FROM placed")
    rest = iter(times)
    while chunk := list(islice(rest, _AT_ONCE)):
        db.executemany("INSERT OR REPLACE INTO placed VALUES (?, ?)", chunk[::-1])  # they come newest first
    db.execute(  # those whose time is known already keep it
        "INSERT OR IGNORE INTO line_times "
        "SELECT r.id, p.time FROM placed p CROSS JOIN line_rows r ON r.source = ? AND r.line = p.line",
        (source,),
    )
    for table in _OTHERS:
        db.execute(
            f"UPDATE {table} SET time_is = 'estimated', "
            f"time = (SELECT p.time FROM placed p WHERE p.line = {table}.line) "
            "WHERE source = ? AND time IS NULL AND line IN (SELECT line FROM placed)",
            (source,),
        )
    db.execute(
        "INSERT INTO interval_rows "
        'SELECT NULL, i.source, i.line, i.offset, i.state, i.step, i.start + p.time, i."end" + p.time, i.duration, '
        "'estimated' FROM interval_unplaced i JOIN placed p ON p.line = i.line "
        "WHERE i.source = ? ORDER BY i.line, i.number",
        (source,),
    )
    db.execute("DELETE FROM interval_unplaced WHERE source = ? AND line IN (SELECT line FROM placed)", (source,))
    db.execute(
        "UPDATE interval_open SET start = coalesce(start, 0.0) + (SELECT p.time FROM placed p WHERE p.line = "
        f"interval_open.line) WHERE source = ? AND {_OPEN_UNPLACED} AND line IN (SELECT line FROM placed)",
        (source,),
    )
    db.execute("DELETE FROM placed")
