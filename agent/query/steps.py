"""What steps were spent on: the seconds of each state, step by step."""

from __future__ import annotations

from msgspec import Struct

from rli_agent.query.intervals import NO_STEP, Intervals, Lane

_WHOLE = "step"


class LaneSteps(Struct, frozen=True):
    """The newest steps of a lane. `seconds` has for each of `states` one number a step; `whole` is what the whole step
    took, null where nothing says. States of one lane may overlap."""

    lane: str
    states: list[str]
    steps: list[int]
    seconds: list[list[float]]
    whole: list[float | None]


class Steps(Struct, frozen=True):
    """The newest steps, lane by lane, the trainer first. `waits`: who waits for whom, in words."""

    lanes: list[LaneSteps]
    waits: str | None


def lane_steps(intervals: Intervals, last: int) -> list[LaneSteps]:
    """The newest `last` steps of each lane."""
    newest = max((max(lane.step, default=NO_STEP) for lane in intervals.lanes.values()), default=NO_STEP)
    told = ((name, _steps(intervals, lane, newest - last)) for name, lane in intervals.in_order())
    return [_table(name, spent) for name, spent in told if spent]


def _steps(intervals: Intervals, lane: Lane, after: int) -> dict[int, dict[str, float]]:
    """Seconds by step and state. A step that another attempt does again counts again."""
    rows = [row for row in lane.rows() if row[3] > max(after, NO_STEP)]
    rows.sort(key=lambda row: (row[0], -row[1]))  # a step before the phases that begin with it
    found: dict[int, dict[str, float]] = {}
    begun: dict[int, float] = {}
    for start, end, state, step in rows:
        name = intervals.states[state]
        spent = found.get(step)
        if spent is None or (name == _WHOLE and _WHOLE in spent and start > begun[step]):
            spent, begun[step] = found.setdefault(step, {}), start
            spent.clear()
        spent[name] = spent.get(name, 0.0) + end - start
    return found


def _table(lane: str, spent: dict[int, dict[str, float]]) -> LaneSteps:
    steps = sorted(spent)
    states = list(dict.fromkeys(name for step in steps for name in spent[step] if name != _WHOLE))
    seconds = [[spent[step].get(name, 0.0) for step in steps] for name in states]
    return LaneSteps(lane, states, steps, seconds, [spent[step].get(_WHOLE) for step in steps])
