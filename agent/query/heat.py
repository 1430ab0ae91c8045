"""How rollouts were spread, step by step."""

from __future__ import annotations

import json
import sqlite3

from msgspec import Struct

from rli_agent.rollout_statistics import BOUNDS

#: Rows that are read, the newest ones; quantities and environments that are named.
_ROWS, _NAMES = 50_000, 200


class Heat(Struct, frozen=True):
    """How a quantity of the rollouts was spread, column by column. A column holds one step or, where there are more
    steps than columns, several; `steps` names its first. `counts` has for each column one number a bucket: up to the
    first of `edges`, up to the second …, above the last. `quantities`, `environments` and `phases` are those that can
    be asked for."""

    quantity: str
    phase: str
    steps: list[int]
    edges: list[float]
    counts: list[list[int]]
    mean: list[float | None]
    quantities: list[str]
    environments: list[str]
    phases: list[str]


class _Column:
    def __init__(self, counts: list[int]) -> None:
        self.counts = counts
        self._count, self._sum = 0, 0.0

    def add(self, buckets: dict[str, int], count: int, total: float) -> None:
        for bucket, number in buckets.items():
            self.counts[min(int(bucket), len(self.counts) - 1)] += number
        self._count += count
        self._sum += total

    @property
    def mean(self) -> float | None:
        return self._sum / self._count if self._count else None


def heat(db: sqlite3.Connection, quantity: str, phase: str, environment: str | None, columns: int) -> Heat:
    """The rollouts of a phase. Only quantities with buckets (rollout_statistics.BOUNDS) are spread."""
    edges = BOUNDS.get(quantity, ())
    first, last = db.execute(
        "SELECT min(step), max(step) FROM rollout_rows WHERE phase = ? AND (?2 IS NULL OR environment = ?2)",
        (phase, environment),
    ).fetchone()
    merged: dict[int, _Column] = {}
    if edges and first is not None:
        span = max(1, -(-(last - first + 1) // columns))
        for step, buckets, count, total in _rows(db, quantity, phase, environment):
            begin = first + (step - first) // span * span
            column = merged.get(begin) or merged.setdefault(begin, _Column([0] * (len(edges) + 1)))
            column.add(buckets, count, total)
    steps = sorted(merged)
    return Heat(
        quantity, phase, steps, list(edges), [merged[step].counts for step in steps],
        [merged[step].mean for step in steps], _there(db), _names(db, "environment"), _names(db, "phase"),
    )  # fmt: skip


def _rows(
    db: sqlite3.Connection, quantity: str, phase: str, environment: str | None
) -> list[tuple[int, dict[str, int], int, float]]:
    """step, buckets, count, sum; joined by SQLite, see pieces.py."""
    where = "step IS NOT NULL AND phase = :phase AND (:environment IS NULL OR environment = :environment)"
    asked = {"phase": phase, "environment": environment, "path": f"$.{quantity}", "most": _ROWS}
    (text,) = db.execute(
        "SELECT json_group_array(json_array(step, json_extract(figures, :path || '.buckets'), "
        "json_extract(figures, :path || '.count'), json_extract(figures, :path || '.sum'))) "
        f"FROM (SELECT step, figures FROM rollout_rows WHERE {where} ORDER BY id DESC LIMIT :most)",
        asked,
    ).fetchone()
    rows = json.loads(text)
    return [(step, buckets, count, total) for step, buckets, count, total in rows if buckets]


def _there(db: sqlite3.Connection) -> list[str]:
    """Quantities with buckets in the newest rollouts."""
    rows = db.execute(
        "SELECT DISTINCT f.key FROM (SELECT figures FROM rollout_rows ORDER BY id DESC LIMIT 50) r "
        "JOIN json_each(r.figures) f"
    )
    known = {str(name) for (name,) in rows.fetchall()}
    return [name for name in BOUNDS if name in known]


def _names(db: sqlite3.Connection, column: str) -> list[str]:
    rows = db.execute(f"SELECT DISTINCT {column} FROM rollout_rows ORDER BY 1 LIMIT ?", (_NAMES,)).fetchall()
    return [str(name) for (name,) in rows if name]
