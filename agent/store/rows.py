"""Events as rows: what repeats (files, shapes, states) becomes an integer, everything else goes in as it is."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from msgspec.json import Decoder, Encoder

from rli_agent.events import Attributes, Event, Interval, Labels, Problem, RolloutBatch, RunFact, Samples, Shape
from rli_agent.parsers.timeline import lasted
from rli_agent.store.rollout_columns import statistics_json

Row = tuple[Any, ...]
#: Names are kept in memory up to this many of a kind; a run that has more looks the rest up in the file.
CACHED = 4096
_LARGEST = 2**63 - 1
_encode = Encoder().encode
_decode_values = Decoder(list[float], strict=False).decode  # not strict: takes the words for NaN and infinities


def text(value: str) -> str:
    """The string as UTF-8 can hold it: a byte of a log that is no UTF-8 (a lone surrogate here) shows as \\udcXX."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def file_key(file: str) -> str | bytes:
    """A path as the store keeps it: its bytes where they are no UTF-8, so that it can be found again."""
    try:
        file.encode()
    except UnicodeEncodeError:
        return os.fsencode(file)
    return file


def file_name(key: str | bytes) -> str:
    """The path that `file_key` was made of."""
    return os.fsdecode(key)


@lru_cache(maxsize=CACHED)
def labels_json(labels: Labels) -> str:
    """Labels as a JSON object."""
    return _json({text(name): text(value) for name, value in labels})


def labels_of(stored: str) -> Labels:
    """The labels that `labels_json` was made of; of a state, without its span's attributes."""
    return tuple((name, value) for name, value in json.loads(stored).items() if isinstance(value, str))


def values_of(stored: str) -> list[float]:
    """The values of a line (`values_json`). NaN and infinities are kept as words."""
    try:
        return _decode_values(stored)
    except ValueError:  # a figure of thousands of digits
        return [float(value) for value in json.loads(stored, parse_int=float)]


@lru_cache(maxsize=CACHED)
def attributes_of(stored: str) -> Attributes:
    """The attributes of a state's span, which are kept with its labels under the name `attributes`."""
    attributes = json.loads(stored).get("attributes")
    return tuple(attributes.items()) if isinstance(attributes, dict) else ()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _integer(value: int | None) -> int | None:
    """None for what no 64-bit integer holds: a log may print any number of digits."""
    return value if value is None or -_LARGEST <= value <= _LARGEST else None


class Names:
    """Integers for what repeats, given out inside the current transaction: `clear` after a rollback."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._sources: dict[str, int] = {}
        self._shapes: dict[int, tuple[Shape, int]] = {}  # by identity: hashing a shape hashes all its names
        self._states: dict[tuple[str, str, str | None, Labels, Attributes], int] = {}

    def clear(self) -> None:
        for cache in (self._sources, self._shapes, self._states):
            cache.clear()

    def source(self, file: str) -> int:
        found = self._sources.get(file)
        if found is None:
            found = self._id("sources", ("file",), (file_key(file),))
            _keep(self._sources, file, found)
        return found

    def shape(self, shape: Shape) -> int:
        known = self._shapes.get(id(shape))
        if known is not None and known[0] is shape:
            return known[1]
        arrays = [
            _json([None if word is None else text(word) for word in words])
            for words in (shape.names, shape.units, shape.metrics)
        ]
        plan = _encode(shape.plan).decode() if shape.plan is not None else None
        declared = _encode(shape.declared).decode() if shape.declared is not None else None
        row = (*arrays, labels_json(shape.labels), plan)
        parts = row if declared is None else (*row, declared)
        digest = hashlib.sha256("\n".join(part or "" for part in parts).encode()).digest()
        columns = ("names", "units", "metrics", "labels", "plan", "declared")
        found = self._id("shapes", ("digest",), (digest,), columns, (*row, declared))
        _keep(self._shapes, id(shape), (shape, found))
        return found

    def state(self, lane: str, state: str, key: str | None, labels: Labels, attributes: Attributes = ()) -> int:
        what = (lane, state, key, labels, attributes)
        found = self._states.get(what)
        if found is None:
            said = labels_json(labels)
            if attributes:
                own = {text(name): text(value) if isinstance(value, str) else value for name, value in attributes}
                said = _json(json.loads(said) | {"attributes": own})
            row = (text(lane), text(state), text(key or ""), said)
            found = self._id("states", ("lane", "state", "key", "labels"), row)
            _keep(self._states, what, found)
        return found

    def _id(self, table: str, unique: Row, key: Row, others: Row = (), values: Row = ()) -> int:
        """The id of the row with this unique key, which is inserted if need be."""
        find = f"SELECT id FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in unique)}"
        found = self._db.execute(find, key).fetchone()
        if found is None:
            columns = ", ".join(unique + others)
            marks = ", ".join("?" * len(unique + others))
            self._db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", key + values)
            found = self._db.execute(find, key).fetchone()
        return int(found[0])


def _keep(cache: dict[Any, Any], key: object, value: object) -> None:
    if len(cache) >= CACHED:
        cache.clear()
    cache[key] = value


class RowWriter:
    """Writes a batch of events inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.names = Names(db)
        self._numbers: Iterator[int] | None = None  # tell the unplaced intervals of a line apart, in their order

    def write(self, events: Iterable[Event]) -> None:
        lines: list[Row] = []
        intervals: list[Interval] = []
        others: dict[str, list[Row]] = {}
        batches: dict[Row, Row] = {}
        source, shape = self.names.source, self.names.shape
        for event in events:
            if isinstance(event, Samples):
                made, time = event.shape, event.time
                passed = lasted(made.plan, event.values) if made.plan is not None else None
                time_is = event.time_is if time is not None else "estimated"  # it will be
                lines.append(
                    (
                        source(event.file), event.line, event.offset, shape(made), _integer(event.step), time, time_is,
                        event.printed, passed,
                    )
                )  # fmt: skip
            elif isinstance(event, Interval):
                intervals.append(event)
            elif isinstance(event, RolloutBatch):  # it sums up the file so far: the one before it says less
                key = (source(event.file), event.line, _integer(event.step), event.phase, text(event.environment))
                batches[key] = (source(event.file), *_rollout(event))
            else:
                statement, make = _OTHERS[type(event)]
                others.setdefault(statement, []).append((source(event.file), *make(event)))
        self._db.executemany("INSERT INTO line_rows VALUES (NULL,?,?,?,?,?,?,?,?,?)", lines)
        if intervals:
            self._write_intervals(intervals)
        self._db.executemany(
            "DELETE FROM rollout_rows WHERE source = ? AND line = ? AND step IS ? AND phase = ? AND environment = ?",
            batches,
        )
        self._db.executemany(
            # A batch that is told again may stand at a line whose time was settled before.
            "INSERT INTO rollout_rows VALUES (NULL, ?1, ?2, ?3, "
            "coalesce(?4, (SELECT max(time) FROM lines WHERE source = ?1 AND line = ?2)), "
            "?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            list(batches.values()),
        )
        for statement, rows in others.items():
            self._db.executemany(statement, rows)

    def _number(self) -> int:
        if self._numbers is None:
            (last,) = self._db.execute("SELECT max(number) FROM interval_unplaced").fetchone()
            self._numbers = count((last or 0) + 1)
        return next(self._numbers)

    def _write_intervals(self, intervals: list[Interval]) -> None:
        closed: list[Row] = []
        unplaced: list[Row] = []
        opened: dict[tuple[int, str, str], dict[int, Row]] = {}
        source, state = self.names.source, self.names.state
        (open_before,) = self._db.execute("SELECT EXISTS (SELECT 1 FROM interval_open)").fetchone()
        ended: set[tuple[int, str, str]] = set()
        for e in intervals:
            file, name = source(e.file), state(e.lane, e.state, e.key, e.labels, e.attributes)
            if e.end is None:
                row = (file, text(e.lane), text(e.state), e.line, e.offset, name, _integer(e.step), e.start, e.time_is)
                opened.setdefault((file, e.lane, e.state), {})[e.line] = row
                continue
            if opened:
                opened.pop((file, e.lane, e.state), None)
            if open_before:
                ended.add((file, e.lane, e.state))
            if e.duration is None and e.start == e.end:
                continue  # says only that the state is over
            times = (e.offset, name, _integer(e.step), e.start, e.end, e.duration)
            if e.end <= 0.0 and e.time_is == "estimated":
                unplaced.append((file, e.line, self._number(), *times))
            else:
                closed.append((file, e.line, *times, e.time_is))
        db = self._db
        db.executemany(
            "DELETE FROM interval_open WHERE source = ? AND lane = ? AND name = ?",
            [(file, text(lane), text(name)) for file, lane, name in ended],
        )
        db.executemany("INSERT INTO interval_rows VALUES (NULL,?,?,?,?,?,?,?,?,?)", closed)
        db.executemany("INSERT INTO interval_unplaced VALUES (?,?,?,?,?,?,?,?,?)", unplaced)
        rows = [row for lines in opened.values() for row in lines.values()]
        db.executemany("INSERT OR REPLACE INTO interval_open VALUES (?,?,?,?,?,?,?,?,?)", rows)


def _problem(e: Problem) -> Row:
    rule = None if e.rule is None else text(e.rule)
    return (
        e.line, e.offset, e.time, e.time_is, e.level, text(e.kind), text(e.message), min(e.count, _LARGEST),
        _integer(e.step), rule, labels_json(e.labels),
    )  # fmt: skip


def _rollout(e: RolloutBatch) -> Row:
    total, reward = e.total, e.total.figure("reward")
    least, most = (reward.least, reward.most) if reward.count else (None, None)
    return (
        e.line, e.offset, e.time, e.time_is, _integer(e.step), e.phase, text(e.environment), total.count, reward.count,
        reward.sum, least, most, total.errors, total.truncated, *statistics_json(total),
    )  # fmt: skip


def _fact(e: RunFact) -> Row:
    return e.line, e.offset, e.time, e.time_is, text(e.key), text(e.value), e.confidence


_OTHERS: dict[type, tuple[str, Callable[[Any], Row]]] = {
    Problem: ("INSERT INTO problem_rows VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)", _problem),
    RunFact: ("INSERT INTO fact_rows VALUES (NULL,?,?,?,?,?,?,?,?)", _fact),
}
