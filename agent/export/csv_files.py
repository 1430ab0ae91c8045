"""A run as CSV files: one a table, and, if asked for, the metrics as one of step × metric."""

from __future__ import annotations

import csv
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from rli_agent.events import Labels, Shape
from rli_agent.export.rows import StoredSamples
from rli_agent.export.tables import TABLES, Cell
from rli_agent.terminal import plain

#: What a spreadsheet takes for a formula when a cell begins with it: such a text gets an apostrophe before it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(db: sqlite3.Connection, folder: Path) -> dict[str, int]:
    """Write every table into `folder`; how many rows each has. Raises OSError and sqlite3.Error."""
    written = {}
    for table in TABLES:
        written[table.name] = _write(folder / f"{table.name}.csv", [name for name, _ in table.columns], table.rows(db))
    return written


def write_wide(db: sqlite3.Connection, folder: Path, scratch: Path) -> tuple[int, int]:
    """Write `wide.csv`: a row a step, a column a series; how many of both. Of a step told twice the later
    figure stands, and what has no step is left out. scratch: a file for what is put aside meanwhile."""
    aside = sqlite3.connect(scratch, isolation_level=None)
    try:
        aside.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768; "
            "CREATE TABLE cells (step INTEGER, series INTEGER, value REAL, PRIMARY KEY (step, series)) WITHOUT ROWID; "
            "BEGIN"
        )
        series: dict[tuple[str, Labels], int] = {}
        cells = _cells(db, series)
        while batch := list(islice(cells, 10_000)):
            aside.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", batch)
        columns = sorted(zip(_titles(series), series.values(), strict=True))
        places = {number: at for at, (_, number) in enumerate(columns, start=1)}
        rows = _steps(aside.execute("SELECT step, series, value FROM cells ORDER BY step, series"), places)
        return _write(folder / "wide.csv", ["step", *(title for title, _ in columns)], rows), len(columns)
    finally:
        aside.close()


def _titles(series: Iterable[tuple[str, Labels]]) -> list[str]:
    """The framework's key, with its labels where several series have it."""
    counts = Counter(name for name, _ in series)
    return [name + "".join(f" {k}={v}" for k, v in labels) * (counts[name] > 1) for name, labels in series]


def _cells(db: sqlite3.Connection, series: dict[tuple[str, Labels], int]) -> Iterator[tuple[int, int, float]]:
    known: dict[tuple[Labels, int], tuple[Shape, list[int]]] = {}
    for source, samples in StoredSamples(db):
        if samples.step is None:
            continue
        shape = samples.shape
        found = known.get((source.labels, id(shape)))
        if found is None:
            labels = tuple(sorted({**dict(source.labels), **dict(shape.labels)}.items()))
            numbers = [series.setdefault((name, labels), len(series)) for name in shape.names]
            # Holding the shape keeps its id its own.
            found = known[source.labels, id(shape)] = (shape, numbers)
        for number, value in zip(found[1], samples.values, strict=True):
            yield samples.step, number, value


def _steps(cells: Iterable[tuple[int, int, float | None]], places: dict[int, int]) -> Iterator[list[Cell]]:
    row: list[Cell] = []
    for step, series, value in cells:
        if not row or row[0] != step:
            if row:
                yield row
            row = [step, *[None] * len(places)]
        row[places[series]] = math.nan if value is None else value
    if row:
        yield row


def _write(path: Path, header: list[str], rows: Iterable[Iterable[Cell]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([_shown(name) for name in header])
        for row in rows:
            writer.writerow([_shown(cell) for cell in row])
            count += 1
    return count


def _shown(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return _text(cell)
    if isinstance(cell, float) and cell - cell != 0:  # it is 0 for finite numbers alone
        return "NaN" if cell != cell else "Infinity" if cell > 0 else "-Infinity"
    return cell


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    shown = plain(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
