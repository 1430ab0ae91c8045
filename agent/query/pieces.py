"""Many rows of a store in few pieces.

SQLite gives the interpreter's lock away at every row. A page that fetches 100,000 of them one by one, while the reading
thread is busy, waits for that thread 100,000 times; so rows are joined to JSON by SQLite, thousands in one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from msgspec import DecodeError
from msgspec.json import Decoder

#: Lines in one piece; up to how many lines to each that is wanted they are read as they lie.
PIECE, SPARSE = 2000, 4

#: id, shape, step, time, values
LineRow = tuple[int, int, int | None, float | None, list[float | str]]
#: state (an id of the table), step, start, end
StateRow = tuple[int, int | None, float, float]

_lines = Decoder(list[LineRow]).decode
_states = Decoder(list[StateRow]).decode
_JOIN_LINES = (
    "SELECT '[' || group_concat('[' || id || ',' || shape || ',' || coalesce(step, 'null') || ',' || "
    "coalesce(time, 'null') || ',' || values_json || ']') || ']' FROM lines WHERE id "
)
_JOIN_STATES = (
    "SELECT '[' || group_concat('[' || state || ',' || coalesce(step, 'null') || ',' || start || ',' || \"end\" || ']')"
    " || ']' FROM interval_rows WHERE id > ? AND id <= ? AND start IS NOT NULL AND \"end\" IS NOT NULL"
)


def lines(db: sqlite3.Connection, shapes: Iterable[int], after: int) -> Iterator[list[LineRow]]:
    """The lines of these shapes with an id above `after`, in the order of their ids. A figure that is not finite is a
    string."""
    wanted = list(shapes)
    marks = ",".join("?" * len(wanted))
    if after:  # few are new: their shapes are looked up, instead of all of each shape
        rows = db.execute(f"SELECT group_concat(id) FROM lines WHERE id > ? AND +shape IN ({marks})", (after, *wanted))
        found = _integers(rows.fetchone()[0])
    else:
        found = []
        for shape in wanted:
            query = "SELECT group_concat(id) FROM line_rows INDEXED BY lines_by_shape WHERE shape = ?"
            found += _integers(db.execute(query, (shape,)).fetchone()[0])
    found.sort()
    for begin in range(0, len(found), PIECE):
        ids = found[begin : begin + PIECE]
        if ids[-1] - ids[0] < SPARSE * len(ids):  # to look at a few lines of others is faster than to look each up
            values: tuple[int | str, ...] = (ids[0], ids[-1], *wanted)
            which = f"BETWEEN ? AND ? AND +shape IN ({marks})"
        else:
            which, values = "IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
        (text,) = db.execute(_JOIN_LINES + which, values).fetchone()
        if text is not None:
            yield _decoded(text)


def states(db: sqlite3.Connection, after: int) -> Iterator[list[StateRow]]:
    """The closed states that have lines of their own, with an id above `after`."""
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM interval_rows").fetchone()
    for begin in range(after, newest, PIECE):
        (text,) = db.execute(_JOIN_STATES, (begin, min(begin + PIECE, newest))).fetchone()
        if text is not None:
            yield _states(text)


def _integers(text: str | None) -> list[int]:
    return [int(word) for word in text.split(",")] if text else []


def _decoded(text: str) -> list[LineRow]:
    try:
        found = _lines(text)
    except DecodeError:  # an integer of thousands of digits
        found = [(i, shape, step, time, values) for i, shape, step, time, values in json.loads(text, parse_int=_number)]
    found.sort(key=_id)
    return found


def _number(digits: str) -> float | int:
    return int(digits) if len(digits) < 19 else float(digits)


def _id(row: LineRow) -> int:
    return row[0]
