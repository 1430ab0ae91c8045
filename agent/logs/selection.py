"""Which lines of a run's log are wanted."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime, tzinfo

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.logs.lines import LogLine

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


class Selection(Struct, frozen=True):
    """What a line must be; None: anything. `since` and `until` in Unix seconds, `level` the least one."""

    level: str | None = None
    role: str | None = None
    rank: str | None = None
    text: re.Pattern[str] | None = None
    since: float | None = None
    until: float | None = None

    def wants(self, line: LogLine) -> bool:
        """Whether a line is wanted."""
        if self.since is not None and line.time < self.since:
            return False
        if self.until is not None and line.time > self.until:
            return False
        if self.role is not None and line.role != self.role:
            return False
        if self.rank is not None and line.rank not in (self.rank, f"rank{self.rank}"):
            return False
        if self.level is not None and (line.level not in LEVELS or LEVELS.index(line.level) < LEVELS.index(self.level)):
            return False
        return self.text is None or self.text.search(line.text) is not None


def window_of_step(db: sqlite3.Connection, step: int) -> tuple[float, float]:
    """From when to when a step was done, as the store knows. Raises UserError for a step that it does not know."""
    since, until = db.execute(
        "SELECT min(time - coalesce(lasted, 0)), max(time) FROM lines WHERE step = ? AND time IS NOT NULL", (step,)
    ).fetchone()
    if since is None:
        first, last = db.execute("SELECT min(step), max(step) FROM lines").fetchone()
        there = f"there are {first} to {last}" if first is not None else "none is known"
        raise UserError(f"no step {step} was seen", f"{there}; --around TIME shows what was written at a time")
    return float(since), float(until)


def moment(text: str, db: sqlite3.Connection, zone: tzinfo, last: float) -> float:
    """The moment that is meant: a time (`14:05`, ISO 8601, Unix seconds), a problem's kind (the newest one), or its
    place `FILE:LINE`. A time of day is the last such one before `last`. Raises UserError."""
    found = _CLOCK.fullmatch(text)
    if found is not None:
        day = datetime.fromtimestamp(last, zone)
        then = day.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)
        return then.timestamp() - (86_400.0 if then.timestamp() > last + 60.0 else 0.0)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        then = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (then if then.tzinfo is not None else then.replace(tzinfo=zone)).timestamp()
    except ValueError:
        pass
    file, _, line = text.rpartition(":")
    place = (file, int(line)) if line.isdigit() else ("", 0)
    row = db.execute(
        "SELECT time FROM problems WHERE time IS NOT NULL AND (kind = ? OR (file = ? AND line = ?)) "
        "ORDER BY time DESC LIMIT 1", (text, *place),
    ).fetchone()  # fmt: skip
    if row is None:
        kinds = [str(kind) for (kind,) in db.execute("SELECT DISTINCT kind FROM problems ORDER BY kind")]
        there = f"problems seen: {', '.join(kinds)}" if kinds else "no problem was seen"
        hint = f"give 14:05, an ISO time or FILE:LINE; {there}"
        raise UserError(f"{text!r} is neither a time nor a problem of this run", hint)
    return float(row[0])
