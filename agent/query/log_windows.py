"""Which part of the log is asked for."""

from __future__ import annotations

import re
import sqlite3
from datetime import tzinfo

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.logs.selection import Selection, window_of_step
from rli_agent.logs.window import END, Window, key_of, window


class LogsWanted(Struct, frozen=True):
    """Up to `before` lines before a place in the log and `after` from it on: that of a time (Unix seconds), of a step's
    beginning, of a cursor that an answer gave; its end where none is named. level: the least one; text: what a line
    holds, capitals or not; file: of this one alone."""

    at: float | None = None
    step: int | None = None
    cursor: str | None = None
    before: int = 0
    after: int = 200
    level: str | None = None
    role: str | None = None
    rank: str | None = None
    text: str | None = None
    file: str | None = None


def log_window(db: sqlite3.Connection, zone: tzinfo, wanted: LogsWanted) -> Window:
    """The lines that are wanted. Raises UserError for a step that was not seen, and a cursor that is none."""
    since = until = None
    place = END if wanted.at is None else (wanted.at, -1, -1)
    if wanted.step is not None:
        since, until = window_of_step(db, wanted.step)
        place = (since, -1, -1) if wanted.at is None else place
    try:
        place = place if wanted.cursor is None else key_of(wanted.cursor)
    except ValueError:
        raise UserError(f"{wanted.cursor!r} is not a place in the log", "take `first` or `last` of an answer") from None
    pattern = re.compile(re.escape(wanted.text), re.IGNORECASE) if wanted.text else None
    selection = Selection(wanted.level, wanted.role, wanted.rank, pattern, since, until)
    before = wanted.before or (wanted.after if place == END else 0)
    return window(db, zone, place, before, wanted.after, selection, wanted.file)
