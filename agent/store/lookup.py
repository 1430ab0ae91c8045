"""What many readers look up in a store."""

from __future__ import annotations

import sqlite3

_TELLING = ("lines", "interval_rows", "interval_open", "problem_rows", "rollout_rows")


def kept(db: sqlite3.Connection, name: str) -> bytes | None:
    """What the agent kept under a name (see `Knowledge`)."""
    row = db.execute("SELECT value FROM knowledge WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def framework(db: sqlite3.Connection) -> str | None:
    """The framework that the run is surest of."""
    query = "SELECT value FROM facts WHERE key = 'framework' ORDER BY confidence DESC LIMIT 1"
    (found,) = db.execute(query).fetchone() or (None,)
    return found


def tells_nothing(db: sqlite3.Connection) -> bool:
    """Whether no line told of a figure, a state, a problem or a rollout."""
    return not any(db.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0] for table in _TELLING)
