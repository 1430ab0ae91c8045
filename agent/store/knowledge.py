"""What the agent found out by itself: the run's life and attempts, and the messages that wait to be delivered."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from msgspec import Struct

from rli_agent.message import Message
from rli_agent.store.rows import labels_json, labels_of, text

_MESSAGE = "id, kind, severity, title, text, time, episode, step, todo, resolved, labels"
#: Messages that were delivered, or only kept, are forgotten beyond so many.
KEPT = 10_000


class Waiting(Struct, frozen=True):
    """A message that was not delivered yet. `id` counts up in the order in which they arose."""

    id: int
    message: Message


class Attempted(Struct, frozen=True):
    """A start of the run, as a row of the table `attempts`. Times are Unix seconds."""

    number: int
    start: float | None
    end: float | None
    first_step: int | None
    last_step: int | None
    resumed_from: int | None


class Knowledge:
    """The part of a run's store that does not come from the logs. Writes join the store's open transaction."""

    def __init__(self, db: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._db = db
        self._transaction = transaction

    def get(self, name: str) -> bytes | None:
        """What was kept under a name."""
        row = self._db.execute("SELECT value FROM knowledge WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def set(self, name: str, value: bytes) -> None:
        """Keep this under a name, instead of what was kept there."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO knowledge VALUES (?, ?)", (name, value))

    def tell(self, messages: Iterable[Message], channel: str | None) -> None:
        """Put messages into the outbox, to go to `channel` (None: they are only kept); one that is there already, by
        its
        key, is not put there again."""
        with self._transaction():
            added = 0
            for m in messages:
                added += self._db.execute(
                    "INSERT OR IGNORE INTO outbox VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL)",
                    (
                        text(m.key), time.time(), m.time, m.kind, m.severity, text(m.title), text(m.text), text(m.todo),
                        m.step, text(m.episode), m.resolved, labels_json(m.labels), channel,
                    ),
                ).rowcount  # fmt: skip
            if added:
                self._db.execute(
                    "DELETE FROM outbox WHERE id <= (SELECT max(id) FROM outbox) - ? "
                    "AND (channel IS NULL OR delivered IS NOT NULL)",
                    (KEPT,),
                )

    def attempts(self, attempts: Iterable[Attempted]) -> None:
        """Keep these attempts of the run, by their number."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO attempts SELECT run, ?, ?, ?, ?, ?, ? FROM runs",
                [(a.number, a.start, a.end, a.first_step, a.last_step, a.resumed_from) for a in attempts],
            )


def waiting(db: sqlite3.Connection, channel: str, *, critical: bool, most: int = 100) -> list[Waiting]:
    """The messages that are to go to a channel and have not, critical ones or the others, oldest first."""
    rows = db.execute(
        f"SELECT {_MESSAGE} FROM outbox WHERE channel = ? AND delivered IS NULL AND (severity = 'critical') = ? "
        "ORDER BY id LIMIT ?",
        (channel, critical, most),
    )
    return [Waiting(row[0], _message(row[1:])) for row in rows]


def delivered(db: sqlite3.Connection, number: int, when: float) -> None:
    """The message was taken where it was to go."""
    db.execute("UPDATE outbox SET delivered = ? WHERE id = ?", (when, number))


def delivered_since(db: sqlite3.Connection, when: float) -> list[float]:
    """When messages that are not critical were delivered, since a moment, oldest first."""
    query = "SELECT delivered FROM outbox WHERE delivered > ? AND severity <> 'critical' ORDER BY delivered"
    return [float(row[0]) for row in db.execute(query, (when,))]


def _message(row: Sequence[Any]) -> Message:
    kind, severity, title, words, when, episode, step, todo, resolved, labels = row
    return Message(kind, severity, title, words, when, episode, step, todo, bool(resolved), labels_of(labels))
