"""All closed states of a run in memory, lane by lane."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterator

import msgspec

from rli_agent.events import Plan, Samples, Shape
from rli_agent.parsers.timeline import intervals
from rli_agent.query import pieces
from rli_agent.query.growing import Growing

#: States kept of a lane; beyond it the older half of them is forgotten.
MOST = 500_000
#: Stands for no step.
NO_STEP = -(2**63)
#: Lanes in their order; others by name.
_FIRST = {"trainer": 0, "orchestrator": 1, "inference": 2}


class Lane:
    """The closed states of a lane, column by column, in no particular order. `state` is a number in Intervals.states;
    times are Unix seconds."""

    def __init__(self) -> None:
        self.start, self.end = array("d"), array("d")
        self.state, self.step = array("l"), array("q")

    def add(self, state: int, step: int | None, start: float, end: float) -> None:
        if len(self.state) >= MOST:
            for column in (self.start, self.end, self.state, self.step):
                del column[: MOST // 2]
        self.state.append(state)
        self.step.append(NO_STEP if step is None else step)
        self.start.append(start)
        self.end.append(end)

    def rows(self) -> Iterator[tuple[float, float, int, int]]:
        """start, end, state, step"""
        return zip(self.start, self.end, self.state, self.step, strict=True)


class Intervals(Growing):
    """The closed states of a run: those that have lines of their own, and those that a line's durations tell of."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[str] = []
        self.lanes: dict[str, Lane] = {}
        self._numbers: dict[str, int] = {}
        self._forget()

    def in_order(self) -> list[tuple[str, Lane]]:
        """The lanes, the trainer first."""
        return sorted(self.lanes.items(), key=lambda item: lane_order(item[0]))

    def number(self, state: str) -> int:
        """The number of a state."""
        found = self._numbers.get(state)
        if found is None:
            found = self._numbers[state] = len(self.states)
            self.states.append(state)
        return found

    def lane(self, name: str) -> Lane:
        return self.lanes.setdefault(name, Lane())

    def _forget(self) -> None:
        self.lanes.clear()
        self._lines = self._rows = 0
        self._shapes: dict[int, Shape] = {}
        self._known: dict[int, tuple[Lane, int]] = {}

    def _read(self, db: sqlite3.Connection) -> None:
        (newest_line,) = db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()
        (newest_row,) = db.execute("SELECT coalesce(max(id), 0) FROM interval_rows").fetchone()
        plans = db.execute("SELECT id, names, plan FROM shapes WHERE plan IS NOT NULL").fetchall()
        for shape, names, plan in plans:
            if shape not in self._shapes:
                known = tuple(json.loads(names))
                nothing = (None,) * len(known)
                self._shapes[shape] = Shape(known, nothing, nothing, (), msgspec.json.decode(plan, type=Plan))
        if self._shapes and newest_line > self._lines:
            for piece in pieces.lines(db, self._shapes, self._lines):
                self._lay_out(piece)
        for number, lane, state in db.execute("SELECT id, lane, state FROM states").fetchall():
            if number not in self._known:
                self._known[number] = (self.lane(lane), self.number(state))
        for rows in pieces.states(db, self._rows):
            for number, step, start, end in rows:
                if number in self._known:
                    lane_of, state_of = self._known[number]
                    lane_of.add(state_of, step, start, end)
        self._lines, self._rows = newest_line, newest_row

    def _lay_out(self, rows: list[pieces.LineRow]) -> None:
        for _, shape, step, time, values in rows:
            if time is None:
                continue
            figures = [float(v) for v in values]
            for found in intervals(Samples("", 0, 0, time, "logged", step, self._shapes[shape], figures, "")):
                if found.start is not None and found.end is not None:
                    self.lane(found.lane).add(self.number(found.state), step, found.start, found.end)


def lane_order(lane: str) -> tuple[int, str]:
    """Sorts lanes: the trainer first."""
    return _FIRST.get(lane, len(_FIRST)), lane
