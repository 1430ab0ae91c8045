"""Figures that came rounded, and come again with more digits: the store takes the digits over, in their place."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rli_agent.events import Labels, Samples
from rli_agent.store.rows import labels_json

_LEADING = re.compile(r"^[-+\"]?[0.]*")


class Exactness:
    """Corrects lines that are stored. Knows which shapes hold which names, as long as no new ones come."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._shapes: dict[tuple[tuple[str, ...], Labels], list[tuple[int, dict[str, int]]]] = {}
        self._newest = 0

    def correct(self, again: Iterable[Samples]) -> None:
        """Take over what is said again with more digits: of the same name, labels and step, and the same but for
        rounding. Within a transaction."""
        for samples in again:
            figures = dict(zip(samples.shape.names, _texts(samples.printed), strict=True))
            for shape, places in self._holding(samples):
                row = self._db.execute(
                    "SELECT id, values_json FROM lines WHERE shape = ? AND step = ? ORDER BY id DESC LIMIT 1",
                    (shape, samples.step),
                ).fetchone()
                if row is None:
                    continue
                stored = _texts(row[1])
                changed = False
                for name, place in places.items():
                    if _is_more_exact(figures[name], stored[place]):
                        stored[place], changed = figures[name], True
                if changed:
                    self._db.execute(
                        "UPDATE line_rows SET values_json = ? WHERE id = ?", (f"[{','.join(stored)}]", row[0])
                    )

    def _holding(self, samples: Samples) -> list[tuple[int, dict[str, int]]]:
        """The shapes that hold any of these names with these labels, and where."""
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM shapes").fetchone()
        if newest != self._newest:
            self._newest = newest
            self._shapes.clear()
        key = (samples.shape.names, samples.shape.labels)
        found = self._shapes.get(key)
        if found is None:
            wanted = set(samples.shape.names)
            labels = labels_json(samples.shape.labels)
            rows = self._db.execute("SELECT id, names FROM shapes WHERE labels = ?", (labels,))
            places = ((i, {n: at for at, n in enumerate(json.loads(names)) if n in wanted}) for i, names in rows)
            found = self._shapes[key] = [(i, held) for i, held in places if held]
        return found


def _texts(printed: str) -> list[str]:
    return [bytes(raw).decode() for raw in msgspec.json.decode(printed, type=list[msgspec.Raw])]


def _is_more_exact(new: str, old: str) -> bool:
    """Whether the old one is the new one, rounded. (Figures that are not finite stand in quotes.)"""
    if '"' in new or '"' in old or _digits(new) <= _digits(old):
        return False
    last_place = 10.0 ** int(Decimal(old).as_tuple().exponent)
    slack = 1e-6 * abs(float(old))  # TensorBoard keeps floats of 32 bits
    return abs(float(new) - float(old)) <= 0.501 * last_place + slack


def _digits(text: str) -> int:
    """Digits that a number is given with."""
    mantissa = text.lower().partition("e")[0]
    return sum(c.isdigit() for c in _LEADING.sub("", mantissa))
