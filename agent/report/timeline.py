"""The run's states as lanes of rows: what lay in time side by side, what was open, and what happened at a moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from msgspec import Struct

from rli_agent.query.intervals import NO_STEP, Intervals
from rli_agent.query.marks import Mark
from rli_agent.traces.reading import Trace

#: Intervals that a report carries; beyond it neighbours of the same state are drawn together.
MOST = 40_000
#: Rows of a lane, and lanes.
ROWS, LANES = 6, 96
#: What is longer than this part of all that is drawn, and empty, is drawn as so small a part.
EMPTY, BREAK = 0.3, 0.015
#: A trace that is a smaller part of what is drawn cannot be seen there.
_SEEN = 0.02
#: The part of a row's states that may lie under others before they get a row of their own.
_OVERLAP = 0.02


class Span(Struct, array_like=True):
    """A lane in a state, from `start` to `end` (Unix seconds); an open one has no end. `count` were drawn together."""

    start: float
    end: float | None
    state: str
    step: int | None = None
    count: int = 1


class Lane(Struct):
    """Spans that do not overlap, row by row."""

    name: str
    rows: list[list[Span]]


class Timeline(Struct):
    """`start`, `end` in Unix seconds; `total` intervals are known, `open` of them not over. `rebuilt`: times follow
    from durations, since the lines have none. `breaks`: stretches (from, to) in which nothing lies, drawn as
    if they took the part `BREAK` of the whole, so that a run that was away for a week can still be read."""

    start: float
    end: float
    lanes: list[Lane]
    total: int
    open: int
    rebuilt: bool = False
    left_out: int = 0
    breaks: list[tuple[float, float]] = []
    marks: list[Mark] = []

    @property
    def length(self) -> float:
        """Seconds that are drawn."""
        return self.place(self.end)

    def place(self, at: float) -> float:
        """Seconds from the start to a moment, as drawn."""
        return at - self.start - sum(min(max(at - a, 0.0), b - a) * self._cut(b - a) for a, b in self.breaks)

    def _cut(self, seconds: float) -> float:
        """What part of a break of so many seconds is not drawn."""
        away = sum(b - a for a, b in self.breaks)
        return max(0.0, 1.0 - BREAK * (self.end - self.start - away) / seconds)

    def states(self) -> list[str]:
        """The states that it shows, the one that takes most time first."""
        seconds: dict[str, float] = {}
        for lane in self.lanes:
            for row in lane.rows:
                for span in row:
                    lasted = (self.end if span.end is None else span.end) - span.start
                    seconds[span.state] = seconds.get(span.state, 0.0) + lasted
        return sorted(seconds, key=lambda state: -seconds[state])


def read_lanes(db: sqlite3.Connection, closed: Intervals) -> dict[str, list[Span]]:
    """The run's states, as far as they have a time: those that are over, and those that are not."""
    lanes = {
        name: [
            Span(start, end, closed.states[state], None if step == NO_STEP else step)
            for start, end, state, step in lane.rows()
        ]
        for name, lane in closed.lanes.items()
        if len(lane.start)
    }
    rows = db.execute(
        "SELECT t.lane, t.state, o.step, o.start FROM interval_open o JOIN states t ON t.id = o.state "
        "WHERE o.start IS NOT NULL AND (o.time_is <> 'estimated' OR o.start > 0)"
    )
    for lane, state, step, start in rows:
        lanes.setdefault(lane, []).append(Span(start, None, state, step))
    return lanes


def lanes_of(traces: Iterable[Trace]) -> dict[str, list[Span]]:
    """The same of traces."""
    lanes: dict[str, list[Span]] = {}
    for trace in traces:
        for span in trace.spans:
            lanes.setdefault(span.lane, []).append(Span(span.start, span.end, span.name))
    return lanes


def fits(traces: Sequence[Trace], run: Timeline) -> bool:
    """Whether traces can be seen in the run's own timeline: they lie in it by the clock, and are no moment of it."""
    spans = [span for trace in traces for span in trace.spans]
    if not spans or not all(trace.dated for trace in traces):
        return False
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    return start < run.end and end > run.start and end - start >= _SEEN * run.length


def timeline(by_lane: dict[str, list[Span]], reached: float | None = None, rebuilt: bool = False) -> Timeline | None:
    """Spans laid out in rows; None where there are none. reached: until when the run's lines go. rebuilt: its times
    follow from durations."""
    spans = [span for lane in by_lane.values() for span in lane]
    if not spans:
        return None
    start = min(span.start for span in spans)
    end = max(span.start if span.end is None else span.end for span in spans)
    if reached is not None and reached > end:
        end = reached
    names = sorted(by_lane, key=_order)
    lanes = [Lane(name, _rows(by_lane[name], end)) for name in names[:LANES]]
    _thin(lanes, end - start)
    open_ = sum(span.end is None for span in spans)
    return Timeline(
        start, max(end, start + 1.0), lanes, len(spans), open_, rebuilt, max(0, len(names) - LANES),
        _breaks(spans, end),
    )  # fmt: skip


def _breaks(spans: Iterable[Span], end: float) -> list[tuple[float, float]]:
    """The long stretches without any span, longest first until what is left needs no more."""
    gaps: list[tuple[float, float]] = []
    first = reached = None
    for span in sorted(spans, key=lambda span: span.start):
        if reached is not None and span.start > reached:
            gaps.append((reached, span.start))
        first = span.start if first is None else first
        reached = max(reached or span.start, end if span.end is None else span.end)
    if first is None or reached is None:
        return []
    if end > reached:
        gaps.append((reached, end))
    left, found = end - first, []
    for a, b in sorted(gaps, key=lambda gap: gap[0] - gap[1]):
        left -= b - a
        if left < 1.0 or b - a <= EMPTY * left:
            break
        found.append((a, b))
    return sorted(found)


def _order(lane: str) -> tuple[int, list[object]]:
    """The trainer first; numbers in names by their value."""
    first = {"trainer": 0, "orchestrator": 1, "rollout": 2}.get(lane, 3)
    digits = "".join(c if c.isdigit() else " " for c in lane).split()
    return first, ["".join(c for c in lane if not c.isdigit()), *(int(d[:18]) for d in digits), lane]


def _rows(spans: list[Span], end: float) -> list[list[Span]]:
    """Each state in the first row where it lies beside what is there; the one that takes most time first."""
    by_state: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda s: s.start):
        by_state.setdefault(span.state, []).append(span)
    rows: list[list[Span]] = []
    for state in sorted(by_state, key=lambda s: -_seconds(by_state[s], end)):
        mine = by_state[state]
        allowed = _OVERLAP * _seconds(mine, end)
        row = next((row for row in rows if _under(row, mine, end) <= allowed), None)
        if row is None and len(rows) < ROWS:
            rows.append(mine)
            continue
        row = rows[-1] if row is None else row
        row += mine
        row.sort(key=lambda span: span.start)
    return sorted(rows, key=lambda row: -_seconds(row, end))


def _seconds(spans: Iterable[Span], end: float) -> float:
    return sum((end if span.end is None else span.end) - span.start for span in spans)


def _under(row: Sequence[Span], mine: Sequence[Span], end: float) -> float:
    """Seconds in which spans of both lie; each is in order of time."""
    total, at = 0.0, 0
    for span in mine:
        until = end if span.end is None else span.end
        while at < len(row) and (end if row[at].end is None else row[at].end or 0.0) <= span.start:
            at += 1
        other = at
        while other < len(row) and row[other].start < until:
            over = end if row[other].end is None else row[other].end or 0.0
            total += max(0.0, min(until, over) - max(span.start, row[other].start))
            other += 1
    return total


def _thin(lanes: list[Lane], length: float) -> None:
    """Draw neighbours of one state together until no more than MOST are left."""
    gap = length / 200_000
    while sum(len(row) for lane in lanes for row in lane.rows) > MOST and gap < length:
        for lane in lanes:
            lane.rows = [_together(row, gap) for row in lane.rows]
        gap *= 2


def _together(row: list[Span], gap: float) -> list[Span]:
    """Spans narrower than `gap` joined with what is near; of each such stretch the state that takes most of it."""
    found: list[Span] = []
    for span in row:
        last = found[-1] if found else None
        if last is None or last.end is None or span.end is None or span.start - last.end > gap:
            found.append(span)
            continue
        short = min(span.end - span.start, last.end - last.start) < gap
        if short and (span.state == last.state or span.end - last.start < 2 * gap):
            longer = last if last.end - last.start >= span.end - span.start else span
            found[-1] = Span(
                last.start, max(last.end, span.end), longer.state, longer.step, last.count + span.count
            )  # fmt: skip
        else:
            found.append(span)
    return found
