"""What is kept in memory of a store that grows."""

from __future__ import annotations

import json
import sqlite3
import time
from abc import ABC, abstractmethod

#: Rows of each table that are looked at to see whether what was read is still true: times settle later than lines come.
SAMPLE = 64
#: All is read again after so many times what that took, whatever the sample says: a rounded figure that got its digits.
RARELY = 500.0
_SAMPLED = {
    "lines": "SELECT group_concat(id || ' ' || coalesce(time, '-')) FROM lines",
    "interval_rows": "SELECT group_concat(id || ' ' || coalesce(\"end\", '-')) FROM interval_rows",
}


class Growing(ABC):
    """Rows in a form that is fast to look through: new ones are added as they come. Not for two threads at once."""

    def __init__(self) -> None:
        self._version = -1
        self._cost = self._read_at = 0.0
        self._owed = False  # what was read before the newest commit may have changed with it
        self._sample: dict[str, tuple[str, str | None]] = {}  # by table: ids, and what their rows say

    def refresh(self, db: sqlite3.Connection) -> None:
        """Take in what was committed since the last time. `db` must be the same connection each time."""
        (version,) = db.execute("PRAGMA data_version").fetchone()
        began = time.monotonic()
        due = self._version == -1 or began - self._read_at > RARELY * self._cost
        if version == self._version and not (self._owed and due):
            return
        due = due or any(_said(db, table, ids) != said for table, (ids, said) in self._sample.items())
        if due:
            self._forget()
        self._read(db)
        if due:
            self._sample = {table: _sampled(db, table) for table in _SAMPLED}
            self._read_at = time.monotonic()
            self._cost = self._read_at - began
        self._version, self._owed = version, not due

    @abstractmethod
    def _forget(self) -> None:
        """Be as before the first row."""

    @abstractmethod
    def _read(self, db: sqlite3.Connection) -> None:
        """Take in the rows that are new."""


def _sampled(db: sqlite3.Connection, table: str) -> tuple[str, str | None]:
    """Rows at even distances, and what they say."""
    (newest,) = db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
    ids = json.dumps(list(range(newest, 0, -max(1, newest // SAMPLE))))
    return ids, _said(db, table, ids)


def _said(db: sqlite3.Connection, table: str, ids: str) -> str | None:
    (said,) = db.execute(f"{_SAMPLED[table]} WHERE id IN (SELECT value FROM json_each(?))", (ids,)).fetchone()
    return None if said is None else str(said)
