"""Which spans there are of a run's states, and which of them make a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct

from rli_agent.events import Attributes
from rli_agent.publish.spans.ids import lone_trace_id, span_ids
from rli_agent.publish.spans.rows import State

#: step: a step is a trace, with the states of all lanes under its root. flat: each state is a trace of its own.
LayoutName: TypeAlias = Literal["step", "flat"]


class Home(Struct, frozen=True, gc=False):
    """What the spans of a step share. `parent` is the root that they lie under, empty for a root."""

    trace: bytes
    parent: bytes
    step: int | None


class Span(Struct, gc=False):
    """A state as it is sent."""

    home: Home
    id: bytes
    lane: str
    state: str
    start: float
    end: float
    attributes: Attributes = ()


Trace: TypeAlias = list[Span]


class Layout(Protocol):
    """Takes states in the order in which they ended, gives traces as they are complete."""

    def add(self, states: Sequence[State], now: float) -> None:
        """States just read; `now` by a clock that never jumps."""

    def take(self, now: float, final: bool = False) -> list[Trace]:
        """Traces that are complete; with `final` all that is there, complete or not."""

    def since(self) -> float | None:
        """When the earliest state was told of that `take` still holds back; None when there is none."""

    def memory(self) -> Any:
        """What a new layout needs to know to go on as this one would: JSON."""


class Flat:
    """Each state is a root span named by it, as RL-Insight's timeline wants them."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._ready: list[Trace] = []

    def add(self, states: Sequence[State], now: float) -> None:
        del now
        self._ready += [[alone(self._run, s)] for s in states]

    def take(self, now: float, final: bool = False) -> list[Trace]:
        del now, final
        ready, self._ready = self._ready, []
        return ready

    def since(self) -> float | None:
        return None

    def memory(self) -> Any:
        return None


def alone(run: str, s: State) -> Span:
    """The span of a state that is in no step's trace."""
    (own,) = span_ids(run, [s])
    return Span(Home(lone_trace_id(run, s), b"", s.step), own, s.lane, s.state, s.start, s.end, s.attributes)
