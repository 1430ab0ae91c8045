"""What happened at a moment: problems, checkpoints, alerts, new attempts."""

from __future__ import annotations

import sqlite3
from typing import Literal

from msgspec import Struct

from rli_agent.life.headline import headline
from rli_agent.query.intervals import NO_STEP, Intervals

#: Marks in one answer, and problems among them; the gravest ones are told first.
MOST = 500
_TITLE = 200


class Mark(Struct, frozen=True):
    """A moment (Unix seconds). `count`: as many of a kind that are nearer to each other than a pixel. `file` and `line`
    where a line tells of it."""

    time: float
    kind: Literal["problem", "checkpoint", "alert", "attempt"]
    title: str
    severity: Literal["info", "warning", "error", "critical"]
    step: int | None = None
    count: int = 1
    file: str | None = None
    line: int | None = None


def marks(db: sqlite3.Connection, intervals: Intervals, low: float, high: float, pixel: float) -> list[Mark]:
    """The moments from `low` to `high`, in their order."""
    found = [*_attempts(db), *_alerts(db), *_problems(db, low, high, pixel), *_checkpoints(intervals, low, high, pixel)]
    found = [mark for mark in found if low <= mark.time <= high][:MOST]
    return sorted(found, key=lambda mark: mark.time)


def _attempts(db: sqlite3.Connection) -> list[Mark]:
    rows = db.execute("SELECT number, start, resumed_from FROM attempts WHERE start IS NOT NULL ORDER BY number DESC")
    return [
        Mark(start, "attempt", f"attempt {number}" + (f", from step {step}" if step is not None else ""), "info", step)
        for number, start, step in rows.fetchall()
    ]


def _alerts(db: sqlite3.Connection) -> list[Mark]:
    rows = db.execute("SELECT time, title, severity, step FROM alerts ORDER BY time DESC LIMIT ?", (MOST,)).fetchall()
    return [Mark(time, "alert", title, severity, step) for time, title, severity, step in rows]


def _problems(db: sqlite3.Connection, low: float, high: float, pixel: float) -> list[Mark]:
    """With a single min() SQLite takes the other columns from the row that has it."""
    rows = db.execute(
        "SELECT min(p.time), p.kind, p.level, p.step, substr(p.message, 1, 4000), sum(p.count), s.file, p.line "
        "FROM problem_rows p JOIN sources s ON s.id = p.source "
        "WHERE p.time BETWEEN ? AND ? AND p.level IN ('ERROR', 'CRITICAL') "
        "GROUP BY p.kind, p.level, CAST(p.time / ? AS INTEGER) ORDER BY p.level, p.time DESC LIMIT ?",
        (low, high, pixel, MOST),
    ).fetchall()
    return [
        Mark(
            time, "problem", f"{kind}: {headline(message)[:_TITLE]}", "critical" if level == "CRITICAL" else "error",
            step, count, str(file), line,
        )
        for time, kind, level, step, message, count, file, line in rows
    ]  # fmt: skip


def _checkpoints(intervals: Intervals, low: float, high: float, pixel: float) -> list[Mark]:
    saving = intervals.number("save_ckpt")
    found: dict[int, Mark] = {}
    for _, lane in intervals.in_order():
        for _, end, state, step in lane.rows():
            if state == saving and low <= end <= high:
                known = None if step == NO_STEP else step
                title = "checkpoint" if known is None else f"checkpoint of step {known}"
                found[int((end - low) / pixel)] = Mark(end, "checkpoint", title, "info", known)
    return list(found.values())
