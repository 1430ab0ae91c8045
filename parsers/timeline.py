"""States in time: durations that are printed at the end of a step, laid out in the order in which they ran."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
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
    step, inside, after = plan.parts
    whole = sum([_seconds(values[i]) for i in step]) or sum([_seconds(values[i]) for i in inside])
    return whole + sum([_seconds(values[i]) for i in after])


def laid_out(plan: Plan, values: Sequence[float], line: float) -> list[tuple[Phase, float, float]]:
    """The phases that lasted, with their beginnings and seconds, as a line that was printed at `line` tells of them."""
    lasting = []
    whole = inside = ending = after = 0.0
    for phase in plan.phases:
        seconds = _seconds(values[phase.index])
        if not seconds:
            continue
        lasting.append((phase, seconds))
        part = phase.part
        if part == "inside":
            inside += seconds
        elif part == "step":
            whole = seconds
        elif part == "ending":
            ending += seconds
        elif part == "after":
            after += seconds
    step_end = line - after
    start = line - ((whole or inside + ending) + after)
    runs = {"step": start, "inside": start, "ending": step_end - ending, "after": step_end}
    found = []
    for phase, seconds in lasting:
        part = phase.part
        if part == "outside":
            found.append((phase, step_end - seconds, seconds))
        else:
            begin = runs[part]
            runs[part] = begin + seconds
            found.append((phase, begin, seconds))
    return found


def intervals(samples: Samples) -> list[Interval]:
    """The states that a line's durations tell of. Without a time they end at 0.0, the moment of the line."""
    plan = samples.shape.plan
    if plan is None:
        return []
    s = samples
    line = s.time if s.time is not None else 0.0
    return [
        Interval(
            s.file, s.line, s.offset, s.time_is, plan.lane, phase.state, s.step, begin, begin + seconds, seconds,
            phase.key,
        )
        for phase, begin, seconds in laid_out(plan, s.values, line)
    ]  # fmt: skip


def _seconds(value: float) -> float:
    """A printed duration, or 0.0 for what is none (NaN, negative, absurd)."""
    return value if 0.0 < value < 1e9 else 0.0


def fits(layout: Layout, names: Sequence[str]) -> bool:
    """Whether a layout holds for these metrics."""
    when = layout.when
    if when is None:
        return True
    return all(fnmatch.filter(names, glob) for glob in when.has) and not any(
        fnmatch.filter(names, glob) for glob in when.lacks
    )
