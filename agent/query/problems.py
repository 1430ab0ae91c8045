"""Problems, those of one make told once."""

from __future__ import annotations

import re
import sqlite3

from msgspec import Struct

from rli_agent.life.headline import headline
from rli_agent.store.rows import file_name

#: Rows that are looked at, the newest ones; characters of a message.
_ROWS, _MESSAGE = 5000, 20_000
#: What differs between lines that say the same: numbers, hexadecimal ones, quoted words.
_VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?|'[^']{0,80}'|\"[^\"]{0,80}\"")


class ProblemGroup(Struct, frozen=True):
    """Problems of one kind whose titles differ in numbers and quoted words alone. `title` is the line that tells most,
    `message` all of it (bounded), both of the newest; `file` and `line` are its place. `times`: how many lines there
    are of it; `count`: how often the text says that it happened. Times are Unix seconds."""

    kind: str
    level: str
    title: str
    message: str
    file: str
    line: int
    first_time: float | None
    last_time: float | None
    first_step: int | None
    last_step: int | None
    times: int
    count: int


class Problems(Struct, frozen=True):
    """Groups of problems, the one that happened last first; `total`: problems of level ERROR and above in the run."""

    problems: list[ProblemGroup]
    total: int


def problems(db: sqlite3.Connection, limit: int = 200) -> Problems:
    """The problems of a run."""
    (total,) = db.execute("SELECT count(*) FROM problem_rows WHERE level IN ('ERROR', 'CRITICAL')").fetchone()
    rows = db.execute(
        "SELECT p.kind, p.level, substr(p.message, 1, ?), s.file, p.line, p.time, p.step, p.count "
        "FROM problem_rows p JOIN sources s ON s.id = p.source "
        "WHERE p.id > (SELECT max(id) FROM problem_rows) - ? ORDER BY coalesce(p.time, 0) DESC, p.id DESC",
        (_MESSAGE, _ROWS),
    ).fetchall()
    groups: dict[tuple[str, str, str], list[tuple[str, str | bytes, int, float | None, int | None, int]]] = {}
    titles: dict[tuple[str, str, str], str] = {}
    for kind, level, message, *rest in rows:
        title = headline(message)
        key = (kind, level, _VARIES.sub("#", title))
        titles.setdefault(key, title)
        groups.setdefault(key, []).append((message, *rest))
    found = [_group(kind, level, titles[kind, level, make], of) for (kind, level, make), of in groups.items()]
    return Problems(found[:limit], total)


def _group(
    kind: str, level: str, title: str, of: list[tuple[str, str | bytes, int, float | None, int | None, int]]
) -> ProblemGroup:
    message, file, line, *_ = of[0]
    times = [time for *_, time, _, _ in of if time is not None]
    steps = [step for *_, step, _ in of if step is not None]
    return ProblemGroup(
        kind, level, title, message, file_name(file), line, min(times, default=None), max(times, default=None),
        min(steps, default=None), max(steps, default=None), len(of), sum(count for *_, count in of),
    )  # fmt: skip
