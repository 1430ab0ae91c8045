"""The newest value of every series of a store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from rli_agent.events import Labels, TimeIs
from rli_agent.store.rows import file_name, labels_of, values_of


class Latest(Struct, frozen=True):
    """The newest value of a series (a name with its labels). `value` is the printed figure as a float."""

    name: str
    metric: str | None
    unit: str | None
    labels: Labels
    file: str
    step: int | None
    time: float | None
    time_is: TimeIs
    value: float


def latest(db: sqlite3.Connection) -> Iterator[Latest]:
    """The newest value of every series: from the last line of each file and shape, the latest of those. What is to be
    added up has none."""
    newest: dict[tuple[str, Labels], Latest] = {}
    query = """
        SELECT s.file, l.step, l.time, l.time_is, l.values_json, h.names, h.metrics, h.units, h.labels
        FROM (SELECT max(id) AS id FROM lines GROUP BY shape, source) g JOIN lines l ON l.id = g.id
        JOIN sources s ON s.id = l.source JOIN shapes h ON h.id = l.shape
        WHERE coalesce(json_extract(h.declared, '$.kind'), 'gauge') = 'gauge' ORDER BY l.time, l.id"""
    for file, step, when, time_is, values, *words, labels in db.execute(query):
        known = labels_of(labels)
        figures = zip(*map(json.loads, words), values_of(values), strict=False)
        for name, metric, unit, value in figures:
            newest[name, known] = Latest(name, metric, unit, known, file_name(file), step, when, time_is, value)
    yield from newest.values()
