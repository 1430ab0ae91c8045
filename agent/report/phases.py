"""How long each state of each lane took at each step, over the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from msgspec import Struct

from rli_agent.answer.performance import who_waits
from rli_agent.answer.report import Share
from rli_agent.report.timeline import Span

#: States that are told apart, and columns of the heat map.
MOST, COLUMNS = 40, 240


class Phase(Struct):
    """A state of a lane: its seconds by step."""

    lane: str
    state: str
    seconds: dict[int, float]

    @property
    def name(self) -> str:
        """Lane and state; slime's lane `rollout` has a state of that name."""
        return self.state if self.state == self.lane else f"{self.lane} {self.state}"

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def usual(self) -> float:
        """The median over the steps that have it."""
        return median(self.seconds.values())

    @property
    def slowest(self) -> tuple[int, float]:
        """Step and seconds of its longest."""
        return max(self.seconds.items(), key=lambda item: item[1])


class Phases(Struct):
    """`steps` are those that any phase tells of; `whole` are the seconds of lanes' whole steps, by lane and step."""

    steps: list[int]
    phases: list[Phase]
    whole: dict[str, dict[int, float]]

    def usual_step(self, lane: str) -> float | None:
        """Seconds of a lane's step, in the median."""
        known = self.whole.get(lane)
        return median(known.values()) if known else None

    def times(self, lane: str, state: str) -> int:
        """At how many steps a lane was in a state."""
        return sum(len(phase.seconds) for phase in self.phases if (phase.lane, phase.state) == (lane, state))

    def shares(self) -> list[Share]:
        """What part of its steps each lane spent in which state, the largest first."""
        found = []
        for phase in self.phases:
            whole = self.whole.get(phase.lane, {})
            total = sum(whole.values())
            if phase.state == "step" or phase.seconds == whole or not total:
                continue
            inside = sum(seconds for step, seconds in phase.seconds.items() if step in whole)
            found.append(Share(phase.lane, phase.state, phase.usual, min(1.0, inside / total)))
        return sorted(found, key=lambda share: (share.lane != "trainer", share.lane, -share.share))

    def waits(self) -> str | None:
        """Who waited for whom, in words, over the whole run."""
        return who_waits(self.shares(), self.usual_step("trainer"), self.usual_step("orchestrator"))


def phases_of(lanes: Mapping[str, Sequence[Span]]) -> Phases:
    """From the spans that tell their step and are over."""
    known: dict[tuple[str, str], Phase] = {}
    for lane, spans in lanes.items():
        for span in spans:
            if span.step is None or span.end is None or span.end <= span.start:
                continue
            phase = known.get((lane, span.state))
            if phase is None:
                phase = known[lane, span.state] = Phase(lane, span.state, {})
            phase.seconds[span.step] = phase.seconds.get(span.step, 0.0) + span.end - span.start
    phases = sorted(known.values(), key=lambda phase: -phase.total)[:MOST]
    phases.sort(key=lambda phase: (phase.lane != "trainer", phase.lane, phase.state != "step", -phase.total))
    steps = sorted({step for phase in phases for step in phase.seconds})
    return Phases(steps, phases, {lane: _whole(lane, phases) for lane in {phase.lane for phase in phases}})


def _whole(lane: str, phases: Sequence[Phase]) -> dict[int, float]:
    """A lane's steps: as it tells them itself, else all that it did in each. prime-rl's orchestrator's step line closes
    a rollout."""
    mine = [phase for phase in phases if phase.lane == lane]
    named = [p for p in mine if p.state == "step" or (p.state == "rollout" and lane == "orchestrator")]
    if named:
        return named[0].seconds
    total: dict[int, float] = {}
    for phase in mine:
        for step, seconds in phase.seconds.items():
            total[step] = total.get(step, 0.0) + seconds
    return total


def columns(steps: Sequence[int], most: int = COLUMNS) -> list[tuple[int, int]]:
    """Neighbouring steps put together, so that no more than so many columns are left: (first, last) of each."""
    each = -(-len(steps) // most) if steps else 1
    return [(steps[i], steps[min(i + each, len(steps)) - 1]) for i in range(0, len(steps), each)]


def longest_in(phase: Phase, bounds: Sequence[tuple[int, int]]) -> list[float | None]:
    """Of each column the longest."""
    found: list[float | None] = [None] * len(bounds)
    place = 0
    for step in sorted(phase.seconds):
        while place < len(bounds) and bounds[place][1] < step:
            place += 1
        if place == len(bounds):
            break
        found[place] = max(found[place] or 0.0, phase.seconds[step])
    return found
