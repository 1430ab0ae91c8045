"""What the agent found out by itself: the run's life and attempts, and the messages that follow from it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TypeVar

from msgspec import Struct

from rli_agent.events import Labels
from rli_agent.journal import logger
from rli_agent.message import Message
from rli_agent.store import lookup, outbox
from rli_agent.store.outbox import Route
from rli_agent.store.rows import labels_json, text

T = TypeVar("T")


class Attempted(Struct, frozen=True):
    """A start of the run, as a row of the table `attempts`. Times are Unix seconds."""

    number: int
    start: float | None
    end: float | None
    first_step: int | None
    last_step: int | None
    resumed_from: int | None


class Alerted(Struct, frozen=True):
    """What a detector said, for the view `alerts`. `over`: the alert of this `id` is resolved. `time` is in Unix
    seconds."""

    id: str
    over: bool
    detector: str
    severity: str
    incident: str
    role: str
    series: str
    labels: Labels
    step: int | None
    time: float
    value: float
    usual: float
    bound: float
    title: str
    text: str
    todo: str


class Knowledge:
    """The part of a run's store that does not come from the logs. Writes join the store's open transaction."""

    def __init__(self, db: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._db = db
        self._transaction = transaction

    def get(self, name: str) -> bytes | None:
        """What was kept under a name."""
        return lookup.kept(self._db, name)

    def recall(self, name: str, decode: Callable[[bytes], T], of_what: str) -> T | None:
        """What was kept under a name, decoded; None where nothing was, or where it is of another version of the
        agent: that is logged."""
        known = self.get(name)
        if known is None:
            return None
        try:
            return decode(known)
        except ValueError as error:
            logger.warning("what was remembered of {} is of another version ({}): it begins anew", of_what, error)
            return None

    def set(self, name: str, value: bytes) -> None:
        """Keep this under a name, instead of what was kept there."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO knowledge VALUES (?, ?)", (text(name), value))

    def under(self, beginning: str) -> list[bytes]:
        """What was kept under names that begin so."""
        rows = self._db.execute("SELECT value FROM knowledge WHERE substr(name, 1, ?) = ?", (len(beginning), beginning))
        return [bytes(value) for (value,) in rows]

    def tell(self, messages: Iterable[Message], route: Route) -> None:
        """Put messages into the outbox, to go where `route` says; one that is there already, by its key, is not put
        there again."""
        with self._transaction():
            outbox.put(self._db, messages, route)

    def alerts(self, alerts: Iterable[Alerted]) -> None:
        """Keep alerts by their id: raised, graver, or over."""
        with self._transaction():
            for a in alerts:
                if a.over:
                    over = "UPDATE alert_rows SET resolved_step = ?, resolved_time = ? WHERE id = ?"
                    self._db.execute(over, (a.step, a.time, a.id))
                    continue
                self._db.execute(
                    "INSERT INTO alert_rows VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL,NULL) "
                    "ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, value = excluded.value, "
                    "title = excluded.title",
                    (
                        a.id, a.detector, a.severity, a.incident, a.role, text(a.series), labels_json(a.labels), a.step,
                        a.time, *(v if math.isfinite(v) else None for v in (a.value, a.usual, a.bound)), text(a.title),
                        text(a.text), text(a.todo),
                    ),
                )  # fmt: skip

    def attempts(self, attempts: Iterable[Attempted]) -> None:
        """Keep these attempts of the run, by their number."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO attempts SELECT run, ?, ?, ?, ?, ?, ? FROM runs",
                [(a.number, a.start, a.end, a.first_step, a.last_step, a.resumed_from) for a in attempts],
            )
