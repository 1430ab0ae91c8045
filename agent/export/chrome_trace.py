"""A run as a Chrome trace, which ui.perfetto.dev and chrome://tracing open.

Format: "Trace Event Format" (Google, 2016): complete events `X`, begun ones `B`, counters `C`, instants `i`, names `M`;
times in microseconds. A lane of the run is a thread; where its states overlap, it gets further ones.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rli_agent.catalogue import base_factor
from rli_agent.export.rows import StoredSamples
from rli_agent.export.tables import Row, Table, table_named
from rli_agent.export.tracks import Tracks
from rli_agent.publish.naming import RunLabels
from rli_agent.terminal import plain

Event = dict[str, Any]

_PID = 1
#: Threads that hold marks; those of lanes have numbers from `_FIRST_LANE` on, `_PER_LANE` each.
_MARKS = {"attempts": 1, "problems": 2, "alerts": 3, "rollouts": 4}
_FIRST_LANE, _PER_LANE = 100, 100
#: Characters of a text that are shown, and lanes and tracks that are told apart.
_TEXT, _LANES = 2000, 10_000


def write_chrome_trace(
    db: sqlite3.Connection, run: RunLabels, out: IO[str], scratch: Path, *, texts: bool = True
) -> Counter[str]:
    """Write a trace; how many there are of each kind of event. scratch: a file for what is put aside while it is
    sorted. texts: also problems, alerts and rollouts. Raises OSError and sqlite3.Error."""
    written: Counter[str] = Counter()
    name = f"{run.experiment_name or run.run} ({run.framework})"
    out.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
    out.write(_line({"ph": "M", "pid": _PID, "name": "process_name", "args": {"name": plain(name)}}))
    for thread, number in _MARKS.items():
        for event in _thread(number, thread, number):
            out.write(",\n" + _line(event))
    parts = [("states", _states(db, scratch)), ("attempts", _attempts(db)), ("counters", _counters(db))]
    if texts:
        parts += [
            ("problems", _instants(db, "problems", "kind")), ("alerts", _instants(db, "alerts", "detector")),
            ("rollouts", _instants(db, "rollouts", "phase", "environment")),
        ]  # fmt: skip
    for kind, events in parts:
        for event in events:
            out.write(",\n" + _line(event))
            written[kind] += event["ph"] != "M"
    labels = {name: plain(getattr(run, name)) for name in run.__struct_fields__}
    out.write(f'\n], "metadata": {json.dumps(labels)}}}\n')
    return written


def _line(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"))


def _thread(number: int, name: str, order: int) -> Iterator[Event]:
    of = {"ph": "M", "pid": _PID, "tid": number}
    yield {**of, "name": "thread_name", "args": {"name": plain(name)}}
    yield {**of, "name": "thread_sort_index", "args": {"sort_index": order}}


def _states(db: sqlite3.Connection, scratch: Path) -> Iterator[Event]:
    """Slices, by their start: so they can be laid on tracks as they come."""
    aside = sqlite3.connect(scratch, isolation_level=None)
    try:
        aside.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
            "CREATE TABLE slices (lane TEXT, state TEXT, start INTEGER, stop INTEGER, args TEXT); BEGIN"
        )
        aside.executemany("INSERT INTO slices VALUES (?, ?, ?, ?, ?)", _slices(db))
        tracks, threads, lanes = Tracks(), set[int](), dict[str, int]()
        # What is open has no end, and is the longest.
        order = "start, stop IS NOT NULL, stop DESC, state <> 'step'"
        for lane, state, start, stop, args in aside.execute(f"SELECT * FROM slices ORDER BY {order}"):
            if lane not in lanes and len(lanes) >= _LANES:
                continue
            number = lanes.setdefault(lane, len(lanes))
            track, begin, end = tracks.place(lane, start, math.inf if stop is None else stop)
            thread = _FIRST_LANE + _PER_LANE * number + min(track, _PER_LANE - 1)
            if thread not in threads:
                threads.add(thread)
                yield from _thread(thread, lane if not track else f"{lane} ({track + 1})", thread)
            of = {"pid": _PID, "tid": thread, "name": state, "cat": "state", "ts": begin, "args": json.loads(args)}
            yield {"ph": "B", **of} if math.isinf(end) else {"ph": "X", **of, "dur": int(end) - begin}
    finally:
        aside.close()


def _slices(db: sqlite3.Connection) -> Iterator[Row]:
    for row in _named(table_named("intervals"), db):
        start, end = _microseconds(row["start"]), _microseconds(row["end"])
        if start is not None:
            stop = None if end is None else max(start, end)
            args = json.dumps(_told(row, ("step", "key", "file", "line", "time_is")))
            yield plain(row["lane"]), plain(row["state"]), start, stop, args


def _attempts(db: sqlite3.Connection) -> Iterator[Event]:
    for row in _named(table_named("attempts"), db):
        start, end = _microseconds(row["start"]), _microseconds(row["end"])
        if start is not None:
            of = {"pid": _PID, "tid": _MARKS["attempts"], "name": f"attempt {row['number']}", "ts": start}
            told = _told(row, ("first_step", "last_step", "resumed_from"))
            yield {"ph": "B", **of, "args": told} if end is None else {
                "ph": "X", **of, "dur": max(0, end - start), "args": told
            }  # fmt: skip


def _counters(db: sqlite3.Connection) -> Iterator[Event]:
    """The common metrics, in base units; what is not finite leaves a gap, since JSON has no word for it."""
    for source, samples in StoredSamples(db):
        at, shape = _microseconds(samples.time), samples.shape
        if at is None:
            continue
        own = {**dict(source.labels), **dict(shape.labels)}
        telling = " ".join(f"{key}={value}" for key, value in sorted(own.items()))
        for metric, unit, key, value in zip(shape.metrics, shape.units, shape.names, samples.values, strict=True):
            if metric is not None and math.isfinite(value):
                several = shape.metrics.count(metric) > 1
                name = " ".join(word for word in (metric, telling, key if several else "") if word)
                figure = {"value": value * base_factor(unit)}
                yield {"ph": "C", "pid": _PID, "name": plain(name), "ts": at, "args": figure}


def _instants(db: sqlite3.Connection, name: str, *words: str) -> Iterator[Event]:
    for row in _named(table_named(name), db):
        at = _microseconds(row["time"])
        if at is not None:
            title = " ".join(plain(str(row[word])) for word in words)
            of = {"pid": _PID, "tid": _MARKS[name], "ts": at, "s": "t"}
            yield {"ph": "i", **of, "name": title, "cat": name, "args": _told(row, tuple(row))}


def _told(row: dict[str, Any], names: tuple[str, ...]) -> Event:
    """What of a row is known, in a form that JSON has."""
    known = {name: row[name] for name in names if row[name] is not None and row[name] != "{}"}
    return {
        name: plain(value[:_TEXT]) if isinstance(value, str) else value
        for name, value in known.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def _named(table: Table, db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    names = [name for name, _ in table.columns]
    for row in table.rows(db):
        yield dict(zip(names, row, strict=True))


def _microseconds(when: float | None) -> int | None:
    return round(when * 1e6) if when is not None and math.isfinite(when) else None
