"""What detectors said of a run, and what the agent told of its life."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

_MOST = 500


class Alert(Struct, frozen=True):
    """What a detector said. `value` stands against what is `usual`; over since `resolved_time` (Unix seconds)."""

    detector: str
    severity: str
    title: str
    text: str
    todo: str
    series: str
    time: float
    step: int | None
    value: float | None
    usual: float | None
    resolved_time: float | None
    resolved_step: int | None


class Message(Struct, frozen=True):
    """What the agent told of its own accord. `open`: it asks for somebody, and is not over."""

    open: bool
    kind: str
    severity: str
    title: str
    text: str
    todo: str
    time: float
    step: int | None


class Alerts(Struct, frozen=True):
    """Alerts and messages, the newest first."""

    alerts: list[Alert]
    messages: list[Message]


def alerts(db: sqlite3.Connection) -> Alerts:
    """The newest alerts and messages of a run."""
    raised = db.execute(
        "SELECT detector, severity, title, text, todo, series, time, step, value, usual, resolved_time, resolved_step "
        "FROM alerts ORDER BY time DESC LIMIT ?",
        (_MOST,),
    ).fetchall()
    told = db.execute(
        "SELECT severity <> 'info' AND NOT resolved AND NOT EXISTS (SELECT 1 FROM messages o "
        "WHERE o.episode = m.episode AND o.resolved), kind, severity, title, text, todo, time, step "
        "FROM messages m ORDER BY id DESC LIMIT ?",
        (_MOST,),
    ).fetchall()
    return Alerts([Alert(*row) for row in raised], [Message(bool(is_open), *row) for is_open, *row in told])
