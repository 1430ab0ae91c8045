"""What the store knows from before, as events: so that a restarted agent shows at once what it showed when it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

from rli_agent.events import Interval, RunFact, Samples, Shape, Source
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunStore

#: Newest closed intervals that are shown again: enough for what is usual of each state.
INTERVALS = 500


def earlier_events(store: RunStore) -> Iterator[tuple[Source, Samples | Interval | RunFact]]:
    """Facts, the newest value of each series, open states and the newest closed ones, each with a stand-in source."""
    for latest in store.latest():
        shape = Shape((latest.name,), (latest.unit,), (latest.metric,), latest.labels)
        printed = json.dumps([latest.value])
        source = _source(latest.file, dict(latest.labels).get("role"))
        place = (latest.file, 0, 0, latest.time, latest.time_is)
        yield source, Samples(*place, latest.step, shape, [latest.value], printed)
    with closing(read_only(store.path)) as db:
        for file, time, key, value in db.execute("SELECT file, time, key, value FROM facts"):
            yield _source(file, None), RunFact(str(file), 0, 0, time, "estimated", key, value)
        rows = db.execute(
            'SELECT file, line, "offset", lane, state, step, start, "end", duration, time_is, key FROM intervals '
            'WHERE "end" IS NULL OR "end" >= (SELECT coalesce(min("end"), 0) FROM '
            '(SELECT "end" FROM interval_rows ORDER BY id DESC LIMIT ?)) ORDER BY "end"',
            (INTERVALS,),
        )
        for file, line, offset, lane, state, step, start, end, lasted, time_is, key in rows:
            at = (str(file), line, offset, time_is, lane, state, step)
            yield _source(file, lane), Interval(*at, start, end, lasted, key)


def _source(file: object, role: str | None) -> Source:
    return Source(str(file), role or "unknown")
