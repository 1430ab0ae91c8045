"""States in time: durations that are printed at the end of a step, laid out in the order in which they ran."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from rli_agent.events import Interval, Samples, Shape, TimeIs
from rli_agent.parsers.packs import Layout


class Opened(Struct):
    """A state that a line opened and none has closed yet."""

    lane: str
    state: str
    line: int
    start: float | None
    time_is: TimeIs
    step: int | None


class Plan:
    """Where a shape's figures stand in a layout: (index, state, key) in the order in which they ran."""

    __slots__ = ("after", "at_end", "inside", "lane", "outside", "step", "step_key", "step_state")

    def __init__(self, layout: Layout, shape: Shape, lane: str) -> None:
        at = {name: i for i, name in enumerate(shape.names)}

        def places(phases: dict[str, str]) -> list[tuple[int, str, str]]:
            return [(at[key], state, key) for key, state in phases.items() if key in at]

        self.lane = layout.lane or lane
        self.at_end = layout.at_end
        self.step = at.get(layout.step) if layout.step else None
        self.step_state, self.step_key = layout.step_state, layout.step
        self.inside, self.after, self.outside = places(layout.phases), places(layout.after), places(layout.outside)

    @property
    def empty(self) -> bool:
        return self.step is None and not (self.inside or self.after or self.outside)

    def lasted(self, values: Sequence[float]) -> float:
        """Seconds from the step's beginning to the line."""
        step = _seconds(values[self.step]) if self.step is not None else self.inside_total(values)
        return step + sum(_seconds(values[i]) for i, _, _ in self.after)

    def inside_total(self, values: Sequence[float]) -> float:
        """Seconds of the phases inside the step, where no figure gives the whole."""
        return sum(_seconds(values[i]) for i, _, _ in self.inside)


class Timeline:
    """Lays out the states of metric lines. One a source kind; plans are made once a shape."""

    def __init__(self, layouts: Sequence[Layout], lane: str) -> None:
        self._layouts = layouts
        self._lane = lane
        self._plans: dict[int, tuple[Shape, Plan | None]] = {}  # by identity: hashing a shape hashes all its names

    def plan(self, shape: Shape) -> Plan | None:
        """The plan of the first layout that holds for this shape."""
        known = self._plans.get(id(shape))
        if known is not None and known[0] is shape:
            return known[1]
        found = None
        for layout in self._layouts:
            if _fits(layout, shape.names):
                plan = Plan(layout, shape, self._lane)
                if not plan.empty:
                    found = plan
                    break
        self._plans[id(shape)] = (shape, found)
        return found

    def intervals(self, samples: Samples) -> list[Interval]:
        """The states that a line's durations tell of. Without a time they end at 0.0, the moment of the line."""
        plan = self.plan(samples.shape)
        if plan is None:
            return []
        values = samples.values
        found: list[Interval] = []
        place = (samples.file, samples.line, samples.offset, samples.time_is)

        def add(start: float, value: float, state: str, key: str | None) -> float:
            duration = _seconds(value)
            end = min(start + duration, line)  # sums of durations are off by a rounding
            if duration:
                found.append(Interval(*place, plan.lane, state, samples.step, start, end, duration, key))
            return end

        line = samples.time or 0.0
        start = line - plan.lasted(values)
        if plan.step is not None:
            step_end = add(start, values[plan.step], plan.step_state, plan.step_key)
        else:
            step_end = start + plan.inside_total(values)
        if plan.at_end:
            start = step_end - plan.inside_total(values)
        for i, state, key in plan.inside:
            start = add(start, values[i], state, key)
        for i, state, key in plan.outside:
            add(step_end - _seconds(values[i]), values[i], state, key)
        for i, state, key in plan.after:
            step_end = add(step_end, values[i], state, key)
        return found


def _seconds(value: float) -> float:
    """A printed duration, or 0.0 for what is none (NaN, negative, absurd)."""
    return value if 0.0 < value < 1e9 else 0.0


def _fits(layout: Layout, names: Sequence[str]) -> bool:
    when = layout.when
    if when is None:
        return True
    has = all(any(fnmatchcase(n, glob) for n in names) for glob in when.has)
    return has and not any(fnmatchcase(n, glob) for n in names for glob in when.lacks)
