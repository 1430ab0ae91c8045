"""What each lane did when, with no more rectangles than a screen has room for."""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import Any

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


class _Pixels:
    """States narrower than a pixel, by the pixel in which they begin."""

    def __init__(self) -> None:
        #: By pixel: the first start, the last end, how many, the step of the first.
        self.cells: dict[int, list[Any]] = {}
        #: Seconds by pixel and state.
        self.seconds: dict[tuple[int, int], float] = {}

    def rectangles(self, pixel: float) -> list[_Closed]:
        """Of each pixel the state that has most of it, neighbours in one state as one."""
        most: dict[int, tuple[float, int]] = {}
        for (at, state), seconds in self.seconds.items():
            if at not in most or seconds > most[at][0]:
                most[at] = (seconds, state)
        found: list[_Closed] = []
        for at in sorted(self.cells):
            start, end, count, step = self.cells[at]
            state = most[at][1]
            if found and found[-1][2] == state and start - found[-1][1] < pixel:
                begin, ended, _, first, number = found[-1]
                found[-1] = (begin, max(ended, end), state, first, number + count)
            else:
                found.append((start, end, state, None if step == NO_STEP else step, count))
        return found


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
    steps, phases = _Pixels(), _Pixels()
    total = 0
    for start, end, state, step in lane.rows():  # the hot loop: a run may have hundreds of thousands
        if end < low or start > high:
            continue
        total += 1
        seconds = end - start
        if seconds >= pixel:
            wide.append((start, end, state, None if step == NO_STEP else step, 1))
            continue
        pixels, at = steps if state == step_state else phases, int((start - low) / pixel)
        key = (at, state)
        pixels.seconds[key] = pixels.seconds.get(key, 0.0) + seconds
        cell = pixels.cells.get(at)
        if cell is None:
            pixels.cells[at] = [start, end, 1, step]
            continue
        cell[2] += 1
        if start < cell[0]:
            cell[0] = start
        if end > cell[1]:
            cell[1] = end
    wide += [*steps.rectangles(pixel), *phases.rectangles(pixel)]
    if len(wide) > MOST:
        wide.sort(key=lambda r: r[1] - r[0], reverse=True)
        del wide[MOST:]
    wide.sort(key=itemgetter(0))
    return total, wide
