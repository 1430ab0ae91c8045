"""A run as tables: what a row is, and its columns. The columns are those of the store's views (docs/store.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from rli_agent.events import Interval, Source
from rli_agent.export.rows import StoredSamples, open_intervals, own_intervals
from rli_agent.parsers.timeline import intervals
from rli_agent.store.rows import file_name, labels_json

#: What a column holds.
Kind = Literal["text", "integer", "number"]
Cell = str | int | float | None
Row = tuple[Cell, ...]


class Table(Struct, frozen=True):
    """A table by name. `rows` reads them from a store, one after the other."""

    name: str
    columns: tuple[tuple[str, Kind], ...]
    rows: Callable[[sqlite3.Connection], Iterator[Row]]


def _columns(**kinds: Kind) -> tuple[tuple[str, Kind], ...]:
    return tuple(kinds.items())


def _samples(db: sqlite3.Connection) -> Iterator[Row]:
    for source, samples in StoredSamples(db):
        shape = samples.shape
        labels = labels_json(shape.labels)
        place = (source.file, samples.line, samples.step, samples.time, samples.time_is)
        for name, metric, unit, value in zip(shape.names, shape.metrics, shape.units, samples.values, strict=True):
            yield *place, name, metric, unit, value, source.role, labels


def _intervals(db: sqlite3.Connection) -> Iterator[Row]:
    for source, samples in StoredSamples(db, with_plan=True):
        if samples.time is not None:
            yield from (_interval(source, one) for one in intervals(samples))
    for source, interval in (*own_intervals(db), *open_intervals(db)):
        yield _interval(source, interval)


def _interval(source: Source, i: Interval) -> Row:
    return (
        i.file, i.line, i.lane, i.state, i.step, i.start, i.end, i.seconds, i.time_is, i.key, source.role,
        labels_json(i.labels),
    )  # fmt: skip


def _view(name: str, columns: tuple[tuple[str, Kind], ...], order: str) -> Table:
    """A view of the store as it is."""
    names = ", ".join(f'"{column}"' for column, _ in columns)

    def rows(db: sqlite3.Connection) -> Iterator[Row]:
        places = [at for at, (column, _) in enumerate(columns) if column == "file"]
        for row in db.execute(f"SELECT {names} FROM {name} ORDER BY {order}"):
            cells = list(row)
            for at in places:
                cells[at] = file_name(cells[at])
            yield tuple(cells)

    return Table(name, columns, rows)


_PLACE: dict[str, Kind] = {"file": "text", "line": "integer"}

TABLES = (
    Table(
        "samples",
        _columns(
            **_PLACE, step="integer", time="number", time_is="text", name="text", metric="text", unit="text",
            value="number", role="text", labels="text",
        ),
        _samples,
    ),
    Table(
        "intervals",
        _columns(
            **_PLACE, lane="text", state="text", step="integer", start="number", end="number", duration="number",
            time_is="text", key="text", role="text", labels="text",
        ),
        _intervals,
    ),
    _view(
        "problems",
        _columns(
            **_PLACE, time="number", time_is="text", level="text", kind="text", message="text", count="integer",
            step="integer", rule="text", labels="text",
        ),
        "time, file, line",
    ),
    _view(
        "rollouts",
        _columns(
            **_PLACE, time="number", time_is="text", step="integer", phase="text", environment="text",
            count="integer", reward_count="integer", reward_mean="number", reward_std="number", reward_min="number",
            reward_max="number", errors="integer", truncated="integer", cancelled="integer", empty="integer",
            repetitive="integer", garbled="integer", identical="integer", tool_errors="integer", judged="integer",
            solved="integer", groups="integer", uniform_groups="integer", response_tokens_mean="number",
            turns_mean="number", seconds_mean="number",
        ),
        "step, phase, environment, file, line",
    ),
    _view(
        "alerts",
        _columns(
            detector="text", severity="text", step="integer", time="number", resolved_step="integer",
            resolved_time="number", title="text", value="number", usual="number", bound="number", series="text",
            role="text", labels="text", text="text", todo="text",
        ),
        "time, detector",
    ),
    _view(
        "messages",
        _columns(time="number", kind="text", severity="text", title="text", text="text", todo="text", step="integer"),
        "time, id",
    ),
    _view("facts", _columns(**_PLACE, time="number", time_is="text", key="text", value="text"), "file, line, key"),
    _view(
        "attempts",
        _columns(
            number="integer", start="number", end="number", first_step="integer", last_step="integer",
            resumed_from="integer",
        ),
        "number",
    ),
)  # fmt: skip


def table_named(name: str) -> Table:
    """Raises StopIteration for a name that none has."""
    return next(table for table in TABLES if table.name == name)
