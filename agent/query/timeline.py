"""What each lane did when, with no more rectangles than a screen has room for."""

from __future__ import annotations

import sqlite3
from operator import itemgetter

from msgspec import Struct, field

from rli_agent.query.intervals import NO_STEP, Intervals, Lane, lane_order
from rli_agent.query.marks import Mark, marks

#: Rectangles of a lane in one answer; where there are more, the longest are shown.
MOST = 8000

#: start, end (None: open), number of the state, step, how many it stands for
Rectangle = tuple[float, float | None, int, int | None, int]
_Closed = tuple[float, float, int, int | None, int]


class TimelineLane(Struct, frozen=True):
    """A lane's states in the order of their beginnings: [start, end, state, step, count]. `end` is null while it is
    open; `state` is a place in the timeline's `states`. A `count` above 1 stands for so many that are narrower than a
    pixel, in the state that has most of that time."""

    lane: str
    intervals: list[Rectangle]


class Timeline(Struct, frozen=True):
    """What each lane did between `from` and `to`, thinned to pixels. `begin` and `end` are those of the whole run, all
    in Unix seconds. `total`: states in this time before thinning. The state `step` is a lane's whole step and lies
    under the others."""

    since: float = field(name="from")
    to: float
    begin: float
    end: float
    states: list[str]
    lanes: list[TimelineLane]
    marks: list[Mark]
    total: int


class _Cell:
    """States narrower than a pixel that lie in one."""

    def __init__(self, start: float, end: float, step: int) -> None:
        self.start, self.end, self.step = start, end, step
        self.count = 0
        self.seconds: dict[int, float] = {}

    def add(self, start: float, end: float, state: int) -> None:
        self.start, self.end = min(self.start, start), max(self.end, end)
        self.count += 1
        self.seconds[state] = self.seconds.get(state, 0.0) + end - start

    def rectangle(self) -> _Closed:
        state = max(self.seconds, key=self.seconds.__getitem__)
        return self.start, self.end, state, None if self.step == NO_STEP else self.step, self.count


def timeline(
    db: sqlite3.Connection, intervals: Intervals, now: float | None, width: int, since: float | None = None,
    until: float | None = None,
) -> Timeline:  # fmt: skip
    """The run from `since` to `until` on `width` pixels. now: the end of what is open; None where nothing goes on any
    more."""
    opened = db.execute(
        "SELECT t.lane, t.state, o.step, o.start FROM interval_open o JOIN states t ON t.id = o.state "
        "WHERE o.start > 0 ORDER BY o.start"
    ).fetchall()
    lanes = dict(intervals.in_order())
    begin = min((min(lane.start) for lane in lanes.values() if lane.start), default=None)
    end = max((max(lane.end) for lane in lanes.values() if lane.end), default=None)
    starts = [start for *_, start in opened]
    begin = min((t for t in (begin, *starts) if t is not None), default=now or 0.0)
    end = max((t for t in (end, *starts, now if opened else None) if t is not None), default=begin)
    low = begin if since is None else since
    high = max(end if until is None else until, low + 1e-3)
    pixel = (high - low) / width
    step_state = intervals.number("step")
    total = 0
    found: dict[str, list[Rectangle]] = {}
    for name, lane in lanes.items():
        number, rectangles = _thinned(lane, low, high, pixel, step_state)
        total += number
        if rectangles:
            found[name] = list(rectangles)
    for name, state, step, start in opened:
        if start <= high:
            found.setdefault(name, []).append((start, None, intervals.number(state), step, 1))
            total += 1
    told = [TimelineLane(name, found[name]) for name in sorted(found, key=lane_order)]
    shown = marks(db, intervals, low, high, pixel)
    return Timeline(low, high, begin, end, list(intervals.states), told, shown, total)


def _thinned(lane: Lane, low: float, high: float, pixel: float, step_state: int) -> tuple[int, list[_Closed]]:
    """How many states there are in this time, and what is drawn of them."""
    wide: list[_Closed] = []
    steps: dict[int, _Cell] = {}
    phases: dict[int, _Cell] = {}
    total = 0
    for start, end, state, step in lane.rows():
        if end < low or start > high:
            continue
        total += 1
        if end - start >= pixel:
            wide.append((start, end, state, None if step == NO_STEP else step, 1))
            continue
        cells, at = steps if state == step_state else phases, int((start - low) / pixel)
        cell = cells.get(at)
        if cell is None:
            cell = cells[at] = _Cell(start, end, step)
        cell.add(start, end, state)
    wide += [*_joined(steps, pixel), *_joined(phases, pixel)]
    if len(wide) > MOST:
        wide.sort(key=lambda r: r[1] - r[0], reverse=True)
        del wide[MOST:]
    wide.sort(key=itemgetter(0))
    return total, wide


def _joined(cells: dict[int, _Cell], pixel: float) -> list[_Closed]:
    """What the pixels show, neighbours in one state as one."""
    found: list[_Closed] = []
    for start, end, state, step, count in (cells[at].rectangle() for at in sorted(cells)):
        if found and found[-1][2] == state and start - found[-1][1] < pixel:
            begin, ended, _, first, number = found[-1]
            found[-1] = (begin, max(ended, end), state, first, number + count)
        else:
            found.append((start, end, state, step, count))
    return found
