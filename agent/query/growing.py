"""What is kept in memory of a store that grows."""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod

#: All is read again after so many times what that took: times settle, and rounded figures get their digits, later.
RARELY = 50.0


class Growing(ABC):
    """Rows in a form that is fast to look through: new ones are added as they come. Not for two threads at once."""

    def __init__(self) -> None:
        self._version = -1
        self._cost = self._read_at = 0.0
        self._owed = False  # what was read before the newest commit may have changed with it

    def refresh(self, db: sqlite3.Connection) -> None:
        """Take in what was committed since the last time. `db` must be the same connection each time."""
        (version,) = db.execute("PRAGMA data_version").fetchone()
        began = time.monotonic()
        due = self._version == -1 or began - self._read_at > RARELY * self._cost
        if version == self._version and not (self._owed and due):
            return
        if due:
            self._forget()
        self._read(db)
        if due:
            self._read_at = time.monotonic()
            self._cost = self._read_at - began
        self._version, self._owed = version, not due

    @abstractmethod
    def _forget(self) -> None:
        """Be as before the first row."""

    @abstractmethod
    def _read(self, db: sqlite3.Connection) -> None:
        """Take in the rows that are new."""
