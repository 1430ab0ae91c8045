"""A run as OpenMetrics text with times, as `promtool tsdb create-blocks-from openmetrics` takes it.

The points of a series stand together, in the order of their times: Prometheus drops what is out of order without a word
(2.42 and 3.x), and refuses two values at one time.
"""

from __future__ import annotations

import math
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from msgspec import Struct

from rli_agent.export.points import Point, Points
from rli_agent.publish.families import Series, figure
from rli_agent.publish.naming import NAMESPACE, RunLabels
from rli_agent.rollout_statistics import Distribution
from rli_agent.store.connection import read_only
from rli_agent.store.errors import explain

#: Points put aside in one go.
_AT_ONCE = 10_000


class Written(Struct, frozen=True):
    """What was written. samples: lines with a value. replaced: points whose series has a later one at the same
    millisecond, which stands instead. dropped: series beyond the limit. first, last: Unix seconds; None where nothing
    was written."""

    series: int = 0
    samples: int = 0
    replaced: int = 0
    dropped: int = 0
    first: float | None = None
    last: float | None = None


def write_openmetrics(
    store: Path, run: RunLabels, out: IO[str], *, namespace: str = NAMESPACE,
    before: float | None = None, scratch: Path | None = None,
) -> Written:  # fmt: skip
    """Write all that a store holds; nothing of it need fit into memory.

    before: only what is older than this (Unix seconds). scratch: the directory for what is put aside while it is
    sorted (about 30 bytes a point); None: the system's. Raises StoreError, ValueError (a bad namespace) and OSError.
    """
    db = read_only(store)
    try:
        with tempfile.TemporaryDirectory(prefix="rli-agent-", dir=scratch, ignore_cleanup_errors=True) as folder:
            points = Points(db, run, namespace=namespace)
            sorted_points = _Sorted(Path(folder) / "points.sqlite")
            try:
                sorted_points.take(points if before is None else _older(points, before))
                return sorted_points.write(points, out)
            finally:
                sorted_points.close()
    except sqlite3.Error as error:
        raise explain(error, store) from error
    finally:
        db.close()


def _older(points: Iterable[Point], before: float) -> Iterator[Point]:
    return (point for point in points if point.milliseconds < before * 1000.0)


class _Sorted:
    """Points put aside in a file, to be had by series and time. `part`: the lines of a histogram, in their order."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768; "
            "CREATE TABLE points (series INTEGER, at INTEGER, part INTEGER, value REAL, "
            "PRIMARY KEY (series, at, part)) WITHOUT ROWID; BEGIN"
        )
        self._numbers: dict[Series, int] = {}
        self._taken = 0

    def close(self) -> None:
        self._db.close()

    def take(self, points: Iterable[Point]) -> None:
        """Of two at one time the later one stands."""
        rows = self._rows(points)
        while batch := list(islice(rows, _AT_ONCE)):
            self._db.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", batch)
            self._taken += len(batch)

    def _rows(self, points: Iterable[Point]) -> Iterator[tuple[int, int, int, float]]:
        numbers = self._numbers
        for series, at, value in points:
            number = numbers.setdefault(series, len(numbers))
            if isinstance(value, Distribution):
                for part, one in enumerate(series.figures(value)):
                    yield number, at, part, one
            else:
                yield number, at, 0, value

    def write(self, points: Points, out: IO[str]) -> Written:
        series = samples = 0
        for family in points.table.families():
            known = [one for one in family.series.values() if one in self._numbers]
            if known:
                out.write(family.head(openmetrics=True))
            for one in known:
                series += 1
                samples += self._write_series(one, points.table.run, out)
        out.write("# EOF\n")
        first, last = self._db.execute("SELECT min(at) / 1000.0, max(at) / 1000.0 FROM points").fetchone()
        return Written(series, samples, self._taken - samples, points.table.dropped, first, last)

    def _write_series(self, series: Series, run: str, out: IO[str]) -> int:
        heads = series.heads(run)
        written = 0
        query = "SELECT at, part, value FROM points WHERE series = ? ORDER BY at, part"
        for at, part, value in self._db.execute(query, (self._numbers[series],)):
            text = figure(math.nan if value is None else value)  # SQLite keeps NaN as NULL
            out.write(f"{heads[part]}{text} {seconds_of(at)}\n")
            written += 1
        return written


def seconds_of(milliseconds: int) -> str:
    """A time as Prometheus reads it back: it multiplies by 1000 and cuts (model/textparse, 2.42 and 3.x), so that
    1763700000.123 would be .122 where the float lies a little below."""
    text = f"{milliseconds // 1000}.{milliseconds % 1000:03}"
    return text if int(float(text) * 1000) == milliseconds else f"{text}1"
