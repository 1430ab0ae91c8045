"""Durations that a step prints in several lines (a table, a list), laid out together once the last one is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from rli_agent.events import Interval, Samples, TimeIs
from rli_agent.parsers.packs import Layout
from rli_agent.parsers.timeline import fits


class Part(Struct):
    """One duration (seconds) and the line that prints it."""

    seconds: float
    line: int
    offset: int


class Block(Struct):
    """The durations read so far, by metric name; step and time are the first line's."""

    step: int | None
    time: float | None
    time_is: TimeIs
    parts: dict[str, Part] = {}

    def belongs(self, samples: Samples, names: Sequence[str]) -> bool:
        """Whether these figures can be of this block: of the same step, and none of them was there before."""
        return self.step == samples.step and self.parts.keys().isdisjoint(names)

    def add(self, name: str, value: float, samples: Samples) -> None:
        if 0.0 <= value < 1e9:
            self.parts[name] = Part(value, samples.line, samples.offset)


def keys_of(layouts: Sequence[Layout]) -> frozenset[str]:
    """The metrics that the layouts of blocks lay out."""
    found: set[str] = set()
    for layout in layouts:
        if layout.block:
            found |= {*layout.phases, *layout.outside, *layout.after, *([layout.step] if layout.step else [])}
            found |= {key for children in layout.within.values() for key in children}
    return frozenset(found)


def laid_out(block: Block, layouts: Sequence[Layout], lane: str, file: str) -> list[Interval]:
    """The block's states, but for the whole step, which its own line tells of. Each stands at the line that prints it;
    without a time they end relative to it (0.0 is the moment of the line)."""
    layout = next((y for y in layouts if y.block and fits(y, tuple(block.parts))), None)
    if layout is None:
        return []
    parts = block.parts
    inside = list(_inside(layout, parts))
    total = sum(parts[key].seconds for key, _ in inside)
    now = block.time if block.time is not None else 0.0
    step_end = now - sum(parts[key].seconds for key in layout.after if key in parts)
    whole = parts[layout.step].seconds if layout.step in parts else total
    found: list[Interval] = []

    def add(key: str, state: str, begin: float) -> float:
        part = parts[key]
        end = min(begin + part.seconds, now)  # sums of durations are off by a rounding
        place = (file, part.line, part.offset, block.time_is)
        found.append(Interval(*place, layout.lane or lane, state, block.step, begin, end, part.seconds, key))
        return end

    at = step_end - (total if layout.at_end else whole)
    for key, state in inside:
        inner, at = at, add(key, state, at)
        for child, child_state in layout.within.get(key, {}).items():
            if child in parts:
                inner = add(child, child_state, inner)
    for key, state in layout.outside.items():
        if key in parts:
            add(key, state, step_end - parts[key].seconds)
    for key, state in layout.after.items():
        if key in parts:
            step_end = add(key, state, step_end)
    return found


def _inside(layout: Layout, parts: dict[str, Part]) -> Iterator[tuple[str, str]]:
    """The phases of which the block tells; where a phase is not there, the parts of it that are."""
    for key, state in layout.phases.items():
        if key in parts:
            yield key, state
        else:
            yield from ((k, s) for k, s in layout.within.get(key, {}).items() if k in parts)
