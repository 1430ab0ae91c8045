"""Rank by phase: how long each rank, or worker, spent in each phase, and who keeps the others waiting."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from rli_agent.traces.reading import Trace

#: Lanes and phases that are told apart, those with most time.
LANES, PHASES = 512, 24
#: From how many times the median of all ranks on one of them is slow, and from how many seconds beyond it.
SLOW, SECONDS = 1.2, 0.05


class Ranks(Struct):
    """Seconds by lane and phase. left_out: phases with less time that are not told."""

    lanes: list[str]
    phases: list[str]
    seconds: dict[tuple[str, str], float]
    left_out: int = 0

    def usual(self, phase: str) -> float:
        """The median of those lanes that were in the phase."""
        return median(self.seconds[lane, phase] for lane in self.lanes if (lane, phase) in self.seconds)

    def slow(self) -> list[tuple[str, str, float, float]]:
        """(phase, lane, its seconds, the median's) of the slowest lane of each phase, where it is slow."""
        found = []
        for phase in self.phases:
            mine = [(self.seconds[lane, phase], lane) for lane in self.lanes if (lane, phase) in self.seconds]
            if len(mine) < 2:
                continue
            most, lane = max(mine)
            usual = median(seconds for seconds, _ in mine)
            if most > SLOW * usual and most - usual > SECONDS:
                found.append((phase, lane, most, usual))
        return sorted(found, key=lambda one: one[3] - one[2])


def ranks(traces: Sequence[Trace]) -> Ranks | None:
    """All traces in one table; None where they hold no span."""
    seconds: dict[tuple[str, str], float] = {}
    first: dict[str, float] = {}
    for trace in traces:
        for span in trace.spans:
            key = span.lane, span.name
            seconds[key] = seconds.get(key, 0.0) + span.end - span.start
            first[span.name] = min(first.get(span.name, span.start), span.start)
    if not seconds:
        return None
    of_phase: dict[str, float] = {}
    of_lane: dict[str, float] = {}
    for (lane, name), lasted in seconds.items():
        of_phase[name] = of_phase.get(name, 0.0) + lasted
        of_lane[lane] = of_lane.get(lane, 0.0) + lasted
    phases = sorted(sorted(of_phase, key=lambda name: -of_phase[name])[:PHASES], key=lambda name: first[name])
    lanes = sorted(sorted(of_lane, key=lambda lane: -of_lane[lane])[:LANES], key=_number)
    return Ranks(lanes, phases, seconds, max(0, len(of_phase) - PHASES))


def _number(lane: str) -> tuple[str, int, str]:
    """Rank 2 before rank 10."""
    word, _, number = lane.rpartition(" ")
    return (word, int(number), "") if number.isdigit() and len(number) < 10 else (lane, 0, lane)
