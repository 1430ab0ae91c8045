"""What went wrong with a run, and what people were told of it, out of its store."""

from __future__ import annotations

import sqlite3

from rli_agent.answer.report import Told, Trouble
from rli_agent.events import Problem
from rli_agent.message import Message
from rli_agent.store.rows import file_name

#: Rows looked at for the newest problems and messages.
_PROBLEMS, _MESSAGES = 5000, 200


class Troubles:
    """Of a store that may be written meanwhile; problems that were counted before are not counted again. All raise
    sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._count = self._until = 0

    def alerts(self) -> dict[str, str]:
        """Titles by detector of the alerts that are not over and ask for somebody."""
        rows = self._db.execute(
            "SELECT detector, title FROM alerts WHERE resolved_time IS NULL AND severity <> 'info' ORDER BY time"
        )
        return dict(rows.fetchall())

    def counted(self) -> tuple[Problem | None, int]:
        """The newest problem, and how many there are."""
        new = "FROM problem_rows WHERE id > ? AND level IN ('ERROR', 'CRITICAL')"
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM problem_rows").fetchone()
        if newest < self._until:  # the logs are read again
            self._count = self._until = 0
        self._count += self._db.execute(f"SELECT count(*) {new}", (self._until,)).fetchone()[0]
        self._until = newest
        row = self._db.execute(
            f"SELECT line, offset, time, time_is, level, kind, message {new} ORDER BY id DESC LIMIT 1",
            (newest - _PROBLEMS,),
        ).fetchone()
        return (Problem("", *row) if row else None), self._count

    def newest(self) -> list[Trouble]:
        """The newest problems, oldest first."""
        rows = self._db.execute(
            "SELECT p.kind, p.level, substr(p.message, 1, 4000), s.file, p.line, p.time, p.step, p.count "
            "FROM problem_rows p JOIN sources s ON s.id = p.source "
            "WHERE p.id > (SELECT max(id) FROM problem_rows) - ? AND p.level IN ('ERROR', 'CRITICAL') "
            "ORDER BY coalesce(p.time, 0) DESC, p.id DESC LIMIT 50",
            (_PROBLEMS,),
        ).fetchall()
        rows.reverse()
        return [Trouble(kind, level, text, file_name(file), *rest) for kind, level, text, file, *rest in rows]

    def messages(self, judged: list[Message]) -> list[Told]:
        """The messages, oldest first; `judged` are those that time gave rise to while nobody watched."""
        rows = self._db.execute(
            "SELECT kind, severity, title, time, episode, resolved FROM messages ORDER BY id DESC LIMIT ?", (_MESSAGES,)
        ).fetchall()
        listed = [tuple(row) for row in reversed(rows)]
        listed += [(m.kind, m.severity, m.title, m.time, m.episode, m.resolved) for m in judged]
        over = {row[4] for row in listed if row[5]}
        return [
            Told(kind, severity, title, time, severity != "info" and episode not in over and not resolved)
            for kind, severity, title, time, episode, resolved in listed
        ]
