"""The values of series in memory, column by column, as far as they were asked for."""

from __future__ import annotations

import math
import sqlite3
import time
from array import array
from collections.abc import Iterable, Sequence
from operator import itemgetter, lt

from msgspec import Struct

from rli_agent.query import pieces
from rli_agent.query.growing import Growing
from rli_agent.query.intervals import NO_STEP
from rli_agent.query.series import Named, named

#: Values kept in memory; beyond it those that were asked for before are forgotten.
MOST = 4_000_000
#: Columns of a shape that are read together as long as they have so many values: those with a common name first.
_TOGETHER, _LIGHT = 64, MOST // 2


class _Table:
    """The lines of one shape: ids, steps (NO_STEP), times (NaN where none is known), and the wanted columns."""

    def __init__(self, columns: Iterable[int]) -> None:
        self.ids, self.steps, self.times = array("q"), array("q"), array("d")
        self.columns = {at: array("d") for at in sorted(columns)}
        self.seen = 0
        self.by_step = self.by_time = True

    def add(self, rows: Sequence[pieces.LineRow]) -> None:
        steps = [NO_STEP if row[2] is None else row[2] for row in rows]
        times = [math.nan if row[3] is None else row[3] for row in rows]
        self.by_step = self.by_step and rises(NO_STEP, *self.steps[-1:], *steps)
        self.by_time = self.by_time and rises(-math.inf, *self.times[-1:], *times)
        self.ids.extend(row[0] for row in rows)
        self.steps.extend(steps)
        self.times.extend(times)
        places = list(self.columns)
        picked = map(itemgetter(*places), (row[4] for row in rows))
        parts = zip(*picked, strict=True) if len(places) > 1 else [picked]
        for at, part in zip(places, parts, strict=True):
            column, before = self.columns[at], len(self.columns[at])
            values = list(part)
            try:
                column.extend(values)
            except TypeError:  # what is not finite is a string
                del column[before:]
                column.extend(map(float, values))

    def __len__(self) -> int:
        return len(self.ids) * (3 + len(self.columns))


class Points(Struct, frozen=True):
    """All values of a series in the order in which they were stored. Steps: NO_STEP where there is none. by_step,
    by_time: each has one, and they rise."""

    steps: Sequence[int]
    times: Sequence[float]
    values: Sequence[float]
    by_step: bool = False
    by_time: bool = False


class Columns(Growing):
    """Values of the series that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.series: dict[str, Named] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._shapes: dict[int, list[Named]] = {}
        self._tables: dict[int, _Table] = {}

    def learn(self, db: sqlite3.Connection) -> None:
        """Take in the names of series that are new."""
        for shape, columns in named(db, max(self._shapes, default=0)):
            self._shapes[shape] = columns
            for at, one in enumerate(columns):
                self.series.setdefault(one.id, one)
                self._places.setdefault(one.id, []).append((shape, at))

    def of_shape(self, shape: int) -> list[Named]:
        """The series in the columns of a shape."""
        return self._shapes.get(shape, [])

    def want(self, db: sqlite3.Connection, ids: Iterable[str]) -> None:
        """Have the values of these series at hand, those that are known."""
        missing: dict[int, set[int]] = {}
        for one in ids:
            for shape, at in self._places.get(one, ()):
                table = self._tables.get(shape)
                if table is None or at not in table.columns:
                    missing.setdefault(shape, set()).add(at)
        if missing and sum(map(len, self._tables.values())) > MOST:
            self._tables.clear()
        began = time.monotonic()
        for shape, places in missing.items():
            before = self._tables.get(shape)
            if before is not None:
                places |= before.columns.keys()
            (count,) = db.execute("SELECT count(*) FROM lines WHERE shape = ?", (shape,)).fetchone()
            near = [at for _, at in sorted((c.metric is None, at) for at, c in enumerate(self._shapes[shape]))]
            self._tables[shape] = table = _Table({*places, *near[: min(_TOGETHER, _LIGHT // max(1, count))]})
            self._fill(db, {shape: table})
        self._cost += time.monotonic() - began

    def points(self, one: str) -> Points:
        """The values of a series that was wanted."""
        found = [(self._tables[shape], at) for shape, at in self._places.get(one, ()) if shape in self._tables]
        if len(found) == 1:
            table, at = found[0]
            return Points(table.steps, table.times, table.columns[at], table.by_step, table.by_time)
        rows = sorted(
            row
            for table, at in found
            for row in zip(table.ids, table.steps, table.times, table.columns[at], strict=True)
        )
        _, steps, times, values = zip(*rows, strict=True) if rows else ((), (), (), ())
        return Points(steps, times, values)

    def _forget(self) -> None:
        self._tables = {shape: _Table(table.columns) for shape, table in self._tables.items()}

    def _read(self, db: sqlite3.Connection) -> None:
        self._fill(db, self._tables)

    def _fill(self, db: sqlite3.Connection, tables: dict[int, _Table]) -> None:
        (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()
        after = min((table.seen for table in tables.values()), default=newest)
        if not tables or newest <= after:
            return
        for rows in pieces.lines(db, tables, after):
            by_shape: dict[int, list[pieces.LineRow]] = {}
            for row in rows:
                if row[0] > tables[row[1]].seen:
                    by_shape.setdefault(row[1], []).append(row)
            for shape, of_shape in by_shape.items():
                tables[shape].add(of_shape)
        for table in tables.values():
            table.seen = newest


def rises(*values: float) -> bool:
    """Whether each is larger than the one before."""
    return all(map(lt, values, values[1:]))
