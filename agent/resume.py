"""What the store knows from before, as events: so that a restarted agent shows at once what it showed when it
stopped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import msgspec

from rli_agent.discover import reader_of
from rli_agent.events import Interval, Plan, RolloutBatch, RunFact, Samples, Shape, Source, TimeIs
from rli_agent.store.latest import latest as newest_values
from rli_agent.store.rollout_columns import statistics_of
from rli_agent.store.rows import values_of

#: Newest lines with durations that are shown again: enough for what is usual of each state.
STEPS = 50
#: The same of states that have lines of their own.
INTERVALS = 500


def earlier_events(db: sqlite3.Connection) -> Iterator[tuple[Source, Samples | Interval | RolloutBatch | RunFact]]:
    """What an open store knows: the newest value of each series, `newest_states`, all batches of rollouts, each with a
    stand-in source."""
    for latest in newest_values(db):
        shape = Shape((latest.name,), (latest.unit,), (latest.metric,), latest.labels)
        printed = json.dumps([latest.value])
        source = _source(latest.file, dict(latest.labels).get("role"))
        place = (latest.file, 0, 0, latest.time, latest.time_is)
        yield source, Samples(*place, latest.step, shape, [latest.value], printed)
    yield from newest_states(db)
    rows = db.execute(
        "SELECT s.file, s.role, r.line, r.offset, r.time, r.time_is, r.step, r.phase, r.environment, "
        "r.count, r.errors, r.truncated, r.counts, r.figures "
        "FROM rollout_rows r JOIN sources s ON s.id = r.source ORDER BY r.id"
    )
    for file, role, line, offset, time, time_is, step, phase, environment, *counted in rows:
        total = statistics_of(*counted)
        yield _source(file, role), RolloutBatch(str(file), line, offset, time, time_is, step, phase, environment, total)


def problem_counts(db: sqlite3.Connection) -> Iterator[tuple[str, str, str, int]]:
    """How many problems the store knows: role, kind, level, count."""
    yield from db.execute(
        "SELECT coalesce(json_extract(p.labels, '$.role'), s.role, 'unknown'), p.kind, p.level, sum(p.count) "
        "FROM problem_rows p JOIN sources s ON s.id = p.source GROUP BY 1, 2, 3"
    )


def newest_states(db: sqlite3.Connection) -> Iterator[tuple[Source, Samples | Interval | RunFact]]:
    """Facts, the newest steps and open states."""
    for file, time, key, value in db.execute("SELECT file, time, key, value FROM facts"):
        yield _source(file, None), RunFact(str(file), 0, 0, time, "estimated", key, value)
    rows = db.execute(
        "SELECT s.file, l.line, l.offset, l.time, l.time_is, l.step, "
        "h.names, h.units, h.metrics, h.labels, h.plan, l.values_json "
        "FROM lines l JOIN shapes h ON h.id = l.shape JOIN sources s ON s.id = l.source "
        "WHERE h.plan IS NOT NULL ORDER BY l.id DESC LIMIT ?",
        (STEPS,),
    )
    for row in reversed(rows.fetchall()):
        yield _samples(*row)
    rows = db.execute(
        'SELECT s.file, i.line, i.offset, i.time_is, t.lane, t.state, i.step, i.start, i."end", i.duration '
        "FROM (SELECT * FROM interval_rows ORDER BY id DESC LIMIT ?) i "
        "JOIN sources s ON s.id = i.source JOIN states t ON t.id = i.state ORDER BY i.id",
        (INTERVALS,),
    )
    opened = db.execute(
        "SELECT s.file, i.line, i.offset, i.time_is, t.lane, t.state, i.step, i.start, NULL, NULL "
        "FROM interval_open i JOIN sources s ON s.id = i.source JOIN states t ON t.id = i.state"
    )
    for interval in (*rows.fetchall(), *opened.fetchall()):
        yield _source(interval[0], interval[4]), Interval(*interval)


def _samples(
    file: object, line: int, offset: int, time: float | None, time_is: TimeIs, step: int | None, names: str, units: str,
    metrics: str, labels: str, plan: str, values: str,
) -> tuple[Source, Samples]:  # fmt: skip
    said = json.loads(labels)
    shape = Shape(
        tuple(json.loads(names)), tuple(json.loads(units)), tuple(json.loads(metrics)), tuple(said.items()),
        msgspec.json.decode(plan, type=Plan),
    )  # fmt: skip
    figures = values_of(values)
    place = (str(file), line, offset, time, time_is)
    return _source(file, said.get("role")), Samples(*place, step, shape, figures, values)


def _source(file: object, role: str | None) -> Source:
    return Source(str(file), role or "unknown", reader=reader_of(str(file)))
