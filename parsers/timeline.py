"""States in time: durations that are printed at the end of a step, laid out in the order in which they ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from rli_agent.events import Interval, Phase, Plan, Samples, TimeIs
from rli_agent.parsers.packs import Layout


class Opened(Struct):
    """A state that a line opened and none has closed yet."""

    lane: str
    state: str
    line: int
    start: float | None
    time_is: TimeIs
    step: int | None


def plan_of(layouts: Iterable[Layout], names: Sequence[str], lane: str) -> Plan | None:
    """The plan of the first layout that holds for a line with these metrics; None where none finds its keys there."""
    at = {name: i for i, name in enumerate(names)}
    for layout in layouts:
        if not layout.block and not fits(layout, names):
            continue
        phases = []
        if layout.step in at:
            phases.append(Phase(at[layout.step], layout.step_state, layout.step, "step"))
        if layout.block:  # the rest is laid out when all lines are there
            if phases:
                return Plan(layout.lane or lane, tuple(phases))
            continue
        inside: Literal["inside", "ending"] = "ending" if layout.at_end else "inside"
        phases += [Phase(at[key], state, key, inside) for key, state in layout.phases.items() if key in at]
        phases += [Phase(at[key], state, key, "outside") for key, state in layout.outside.items() if key in at]
        phases += [Phase(at[key], state, key, "after") for key, state in layout.after.items() if key in at]
        if phases:
            return Plan(layout.lane or lane, tuple(phases))
    return None


def lasted(plan: Plan, values: Sequence[float]) -> float:
    """Seconds from the step's beginning to the line that prints its durations."""
    whole = inside = after = 0.0
    for phase in plan.phases:
        seconds = _seconds(values[phase.index])
        if phase.part in ("inside", "ending"):
            inside += seconds
        elif phase.part == "step":
            whole = seconds
        elif phase.part == "after":
            after += seconds
    return (whole or inside) + after


def intervals(samples: Samples) -> list[Interval]:
    """The states that a line's durations tell of. Without a time they end at 0.0, the moment of the line."""
    plan = samples.shape.plan
    if plan is None:
        return []
    values = samples.values
    line = samples.time if samples.time is not None else 0.0
    start = line - lasted(plan, values)
    step_end = line - _total(plan, values, "after")
    runs = {"step": start, "inside": start, "ending": step_end - _total(plan, values, "ending"), "after": step_end}
    found = []
    for phase in plan.phases:
        seconds = _seconds(values[phase.index])
        if not seconds:
            continue
        begin = step_end - seconds if phase.part == "outside" else runs[phase.part]
        end = begin + seconds
        if phase.part in runs:
            runs[phase.part] = end
        found.append(
            Interval(
                samples.file, samples.line, samples.offset, samples.time_is, plan.lane, phase.state, samples.step,
                begin, end, seconds, phase.key,
            )
        )  # fmt: skip
    return found


def _total(plan: Plan, values: Sequence[float], part: str) -> float:
    return sum(_seconds(values[phase.index]) for phase in plan.phases if phase.part == part)


def _seconds(value: float) -> float:
    """A printed duration, or 0.0 for what is none (NaN, negative, absurd)."""
    return value if 0.0 < value < 1e9 else 0.0


def fits(layout: Layout, names: Sequence[str]) -> bool:
    """Whether a layout holds for these metrics."""
    when = layout.when
    if when is None:
        return True
    has = all(any(fnmatchcase(n, glob) for n in names) for glob in when.has)
    return has and not any(fnmatchcase(n, glob) for n in names for glob in when.lacks)
