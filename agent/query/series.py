"""Which series a run has."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from rli_agent.catalogue import Catalogue
from rli_agent.store.rows import labels_of, values_of

#: Characters of a search that are looked at.
LONGEST = 200


class Named(Struct, frozen=True):
    """What tells a series from others: the framework's name of it, its common name where it has one, and its labels.
    `id` is the same in every run."""

    id: str
    name: str
    metric: str | None
    unit: str | None
    labels: dict[str, str]


class SeriesInfo(Struct, frozen=True):
    """A series: how many values it has, the last one as printed in `unit` (null where it is not finite), and its
    step. `help` says what a common metric means."""

    id: str
    name: str
    metric: str | None
    unit: str | None
    labels: dict[str, str]
    count: int
    last: float | None
    last_step: int | None
    help: str | None


class SeriesList(Struct, frozen=True):
    """The series that a search finds, those with a common name first; `total`: how many, shown or not."""

    series: list[SeriesInfo]
    total: int


def series_id(name: str, metric: str | None, labels: str) -> str:
    """The id of a series; `labels` as the store has them."""
    told = "\0".join((name, metric or "", *sorted(map(str, labels_of(labels)))))
    return blake2b(told.encode("utf-8", "replace"), digest_size=8).hexdigest()


def named(db: sqlite3.Connection, after: int = 0) -> Iterator[tuple[int, list[Named]]]:
    """The series in the columns of each shape with an id above `after`."""
    query = "SELECT id, names, metrics, units, labels FROM shapes WHERE id > ? ORDER BY id"
    for shape, names, metrics, units, labels in db.execute(query, (after,)).fetchall():
        told = zip(json.loads(names), json.loads(metrics), json.loads(units), strict=True)
        known = dict(labels_of(labels))
        yield shape, [Named(series_id(n, m, labels), n, m, u, known) for n, m, u in told]


class _Seen:
    def __init__(self, what: Named) -> None:
        self.what = what
        self.count = self.line = 0
        self.last: float | None = None
        self.step: int | None = None


def list_series(db: sqlite3.Connection, catalogue: Catalogue, query: str = "", limit: int = 2000) -> SeriesList:
    """The series whose name, common name or labels hold all words of the query, capitals or not."""
    words = query[:LONGEST].lower().split()
    counts = {
        shape: (count, newest)
        for shape, count, newest in db.execute("SELECT shape, count(*), max(id) FROM lines GROUP BY shape").fetchall()
    }
    found: dict[str, _Seen] = {}
    for shape, columns in named(db):
        count, newest = counts.get(shape, (0, 0))
        wanted = [(at, one) for at, one in enumerate(columns) if _fits(one, words)]
        if not wanted or not count:
            continue
        step, text = db.execute("SELECT step, values_json FROM lines WHERE id = ?", (newest,)).fetchone()
        figures = values_of(text)
        for at, one in wanted:
            seen = found.setdefault(one.id, _Seen(one))
            seen.count += count
            if newest > seen.line:
                value = figures[at]
                seen.line, seen.step, seen.last = newest, step, value if math.isfinite(value) else None
    ordered = sorted(found.values(), key=lambda s: (s.what.metric is None, s.what.metric or "", s.what.name, s.what.id))
    return SeriesList([_info(seen, catalogue) for seen in ordered[:limit]], len(ordered))


def _fits(one: Named, words: list[str]) -> bool:
    if not words:
        return True
    text = " ".join((one.name, one.metric or "", *one.labels.values())).lower()
    return all(word in text for word in words)


def _info(seen: _Seen, catalogue: Catalogue) -> SeriesInfo:
    one = seen.what
    quantity = catalogue.get(one.metric) if one.metric else None
    return SeriesInfo(
        one.id, one.name, one.metric, one.unit, one.labels, seen.count, seen.last, seen.step,
        quantity.help if quantity is not None else None,
    )  # fmt: skip
