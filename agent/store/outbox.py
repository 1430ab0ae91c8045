"""Messages that are to be delivered, and what became of each on each channel."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from rli_agent.events import as_printed
from rli_agent.message import Curve, Message
from rli_agent.store.rows import labels_json, labels_of, text

#: Messages that wait nowhere are forgotten beyond so many.
KEPT = 10_000
#: Messages that a channel is given at a time.
AT_ONCE = 100
#: The channels that a message goes to, given those that its incident was told to before.
Route: TypeAlias = Callable[[Message, frozenset[str]], Iterable[str]]

_MESSAGE = (
    "o.id, o.key, o.made, o.kind, o.severity, o.title, o.text, o.time, o.episode, o.step, o.todo, o.resolved, "
    "o.labels, o.since, o.since_step, o.values_json, o.curve, o.links"
)
_HERE = "FROM outbox o JOIN delivery_rows d ON d.message = o.id WHERE d.channel = ?"


class Waiting(Struct, frozen=True):
    """A message on a channel. `id` counts up in the order in which messages arose, at `made` (Unix seconds); `key` is
    the message's own. It was taken `times` times there, last at `delivered`."""

    id: int
    key: str
    made: float
    message: Message
    delivered: float | None = None
    times: int = 0


def put(db: sqlite3.Connection, messages: Iterable[Message], route: Route) -> None:
    """Put messages into the outbox, inside the caller's transaction; one whose key is there already is left alone."""
    added = 0
    for m in messages:
        row = db.execute(
            "INSERT OR IGNORE INTO outbox VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                text(m.key), time.time(), m.time, m.kind, m.severity, text(m.title), text(m.text), text(m.todo), m.step,
                m.since, m.since_step, _values_json(m), text(m.episode), m.resolved, labels_json(m.labels),
                msgspec.json.encode(m.curve).decode() if m.curve is not None else None,
                text(msgspec.json.encode(m.links).decode()),
            ),
        )  # fmt: skip
        if not row.rowcount:
            continue
        added += 1
        channels = route(m, _told_to(db, text(m.episode)))
        db.executemany(
            "INSERT INTO delivery_rows (channel, message) VALUES (?, ?)", [(c, row.lastrowid) for c in set(channels)]
        )
    if added:
        _forget(db)


def waiting(db: sqlite3.Connection, channel: str, *, critical: bool) -> list[Waiting]:
    """The messages that a channel has not taken yet, critical ones or the others, oldest first."""
    rows = db.execute(
        f"SELECT {_MESSAGE} {_HERE} AND d.delivered IS NULL AND d.dropped IS NULL AND (o.severity = 'critical') = ? "
        "ORDER BY o.id LIMIT ?",
        (channel, critical, AT_ONCE),
    )
    return [_waiting(row) for row in rows]


def unresolved(db: sqlite3.Connection, channel: str, since: float) -> list[Waiting]:
    """The last messages of incidents that this channel was told of and that are not over, made since a moment."""
    rows = db.execute(
        f"SELECT {_MESSAGE}, d.delivered, d.times {_HERE} AND d.delivered IS NOT NULL AND d.dropped IS NULL "
        "AND o.severity <> 'info' AND NOT o.resolved AND o.made >= ? "
        "AND NOT EXISTS (SELECT 1 FROM outbox later WHERE later.episode = o.episode AND later.id > o.id) "
        "ORDER BY d.delivered LIMIT ?",
        (channel, since, AT_ONCE),
    )
    return [_waiting(row[:-2], *row[-2:]) for row in rows]


def earlier(db: sqlite3.Connection, channel: str, waiting: Waiting) -> list[Waiting]:
    """What this channel took before of the message's incident, oldest first."""
    rows = db.execute(
        f"SELECT {_MESSAGE} {_HERE} AND d.delivered IS NOT NULL AND o.episode = ? AND o.id < ? ORDER BY o.id LIMIT 20",
        (channel, text(waiting.message.episode), waiting.id),
    )
    return [_waiting(row) for row in rows]


def taken(db: sqlite3.Connection, channel: str, message: int, when: float) -> None:
    """The channel took the message."""
    db.execute(
        "UPDATE delivery_rows SET delivered = ?, times = times + 1 WHERE channel = ? AND message = ?",
        (when, channel, message),
    )


def dropped(db: sqlite3.Connection, channel: str, message: int, why: str) -> None:
    """The channel will never take the message."""
    db.execute("UPDATE delivery_rows SET dropped = ? WHERE channel = ? AND message = ?", (text(why), channel, message))


def taken_since(db: sqlite3.Connection, channel: str, when: float) -> list[float]:
    """When the channel took messages that are not critical, since a moment, in order; those of one delivery once."""
    query = f"SELECT DISTINCT d.delivered {_HERE} AND d.delivered > ? AND o.severity <> 'critical' ORDER BY d.delivered"
    return [float(row[0]) for row in db.execute(query, (channel, when))]


def any_delivery(db: sqlite3.Connection) -> bool:
    """Whether any message went, or is to go, anywhere."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM delivery_rows)").fetchone()[0])


def _told_to(db: sqlite3.Connection, episode: str) -> frozenset[str]:
    query = "SELECT DISTINCT d.channel FROM delivery_rows d JOIN outbox o ON o.id = d.message WHERE o.episode = ?"
    return frozenset(row[0] for row in db.execute(query, (episode,)))


def _forget(db: sqlite3.Connection) -> None:
    old = (
        "SELECT id FROM outbox o WHERE id <= (SELECT max(id) FROM outbox) - ? AND NOT EXISTS (SELECT 1 FROM "
        "delivery_rows d WHERE d.message = o.id AND d.delivered IS NULL AND d.dropped IS NULL)"
    )
    db.execute(f"DELETE FROM delivery_rows WHERE message IN ({old})", (KEPT,))
    db.execute(f"DELETE FROM outbox WHERE id IN ({old})", (KEPT,))


def _values_json(message: Message) -> str:
    return json.dumps({text(name): as_printed(value) for name, value in message.values}, separators=(",", ":"))


def _waiting(row: Sequence[Any], delivered: float | None = None, times: int = 0) -> Waiting:
    number, key, made, kind, severity, title, words, when, episode, step, todo, *others = row
    resolved, labels, since, first, values, curve, links = others
    numbers = tuple((name, float(value)) for name, value in json.loads(values).items())
    message = Message(
        kind, severity, title, words, when, episode, step, todo, bool(resolved), labels_of(labels), since, first,
        numbers, curve=msgspec.json.decode(curve, type=Curve) if curve is not None else None,
        links=msgspec.json.decode(links, type=tuple[tuple[str, str], ...]),
    )  # fmt: skip
    return Waiting(number, key, made, message, delivered, times)
