"""What was recorded and no scrape has seen yet: the newest event of each kind, counts, and the states that are open."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from rli_agent.events import (
    PROBLEM_KINDS,
    Event,
    Interval,
    Labels,
    Problem,
    RolloutBatch,
    RunFact,
    Samples,
    Source,
    role_of,
)
from rli_agent.publish.rollout_figures import Figure, RolloutFigures

#: Lanes' states that may be open at once.
OPEN_LIMIT = 1000

#: What an event is called in its printed form.
_TYPES: dict[type, str] = {
    Samples: "metric", Interval: "state", Problem: "problem", RolloutBatch: "rollouts", RunFact: "fact",
}  # fmt: skip

#: role, the source's labels, the event's, lane, state
OpenState: TypeAlias = tuple[str, Labels, Labels, str, str]


class Newest(Struct):
    """An event, or a step, with its time (Unix seconds) and the file that told it."""

    at: float
    file: str
    source: Source
    event: Any


class Waiting(Struct):
    """What waited, by kind, in the order in which it came: the newest, what is to be added to counters, rollouts."""

    newest: dict[tuple[Any, ...], Newest]
    counts: dict[tuple[str, Labels], float]
    rollouts: list[Figure]


class Inbox:
    """Shared by the reading thread and those that scrape; its lock is held for microseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[tuple[Any, ...], Newest] = {}
        self._counts: dict[tuple[str, Labels], float] = {}
        self._rollouts = RolloutFigures()
        self._open: dict[OpenState, float] = {}
        self._roles: set[str] = set()

    @property
    def size(self) -> int:
        """How much waits, but for rollouts, which are bounded by themselves."""
        return len(self._newest) + len(self._counts)

    def record(self, events: Sequence[Event], source: Source, now: float) -> dict[str, int]:
        """Take over what was just committed; gives how many of each type it was. About 0.2 µs an event, whatever the
        number of values in it."""
        seen = dict.fromkeys(_TYPES.values(), 0)
        with self._lock:
            if source.role not in self._roles:
                self._roles.add(source.role)
                for kind in PROBLEM_KINDS:
                    self._count("rl_problems_total", 0, role=source.role, kind=kind, level="ERROR")
            figures = [event for event in events if type(event) is Samples]
            seen["metric"] = sum([len(event.shape.names) for event in figures])
            if len(figures) < len(events):
                for event in events:
                    if type(event) is not Samples:
                        seen[_TYPES[type(event)]] += 1
                        self._take(event, source, now)
            newest: dict[int, Samples] = {}
            for event in reversed(figures):
                if id(event.shape) not in newest:
                    newest[id(event.shape)] = event
            for shape, event in reversed(newest.items()):
                if not event.shape.is_tallied:
                    key = ("samples", source.role, source.lane, source.labels, shape)
                    self._offer(key, event, event.file, event.time, source, now)
                self._step(event, event.shape.labels, event.time, source, now)
        return seen

    def count_on(self, problems: Iterable[tuple[str, str, str, int]]) -> None:
        """Take up what was counted before the agent was started again: problems by role, kind and level."""
        with self._lock:
            for role, kind, level, count in problems:
                self._count("rl_problems_total", count, role=role, kind=kind, level=level)

    def end_open_states(self, over: Callable[[float], bool] | None = None) -> None:
        """No lane is in a state any more, or in none that is over, by when it began."""
        with self._lock:
            self._open = {} if over is None else {key: at for key, at in self._open.items() if not over(at)}

    def open_states(self) -> dict[OpenState, float]:
        """The states that lanes are in, and since when in Unix seconds."""
        with self._lock:
            return dict(self._open)

    def empty(self) -> Waiting:
        """Hand over what waits."""
        with self._lock:
            waiting = Waiting(self._newest, self._counts, self._rollouts.changed())
            self._newest, self._counts = {}, {}
        return waiting

    def _take(self, event: Event, source: Source, now: float) -> None:
        if isinstance(event, Interval):
            key = (source.role, source.labels, event.labels, event.lane, event.state)
            if event.end is None and event.duration is None:
                if len(self._open) >= OPEN_LIMIT:
                    del self._open[next(iter(self._open))]
                self._open[key] = now if event.start is None else min(event.start, now)
                return
            if event.end is None or event.time_is == "estimated" or event.end >= self._open.get(key, math.inf):
                self._open.pop(key, None)
            if event.duration is None and event.start == event.end:
                return  # says only that the state is over
            self._offer(("interval", *key), event, event.file, event.end, source, now)
            if event.state == "step":
                self._step(event, event.labels, event.end, source, now)
        elif isinstance(event, Problem):
            role = role_of(event.labels, source)
            self._count("rl_problems_total", event.count, role=role, kind=event.kind, level=event.level)
        elif isinstance(event, RolloutBatch):
            self._rollouts.take(event, source)
        elif isinstance(event, RunFact) and event.key == "max_steps":
            self._offer(("max_steps", source.role), event, event.file, event.time, source, now)

    def _step(self, event: Samples | Interval, labels: Labels, at: float | None, source: Source, now: float) -> None:
        if event.step is not None:
            self._offer(("step", role_of(labels, source)), event.step, event.file, at, source, now)

    def _offer(self, key: tuple[Any, ...], event: Any, file: str, at: float | None, source: Source, now: float) -> None:
        """Keep `event` unless a newer one of another file is there. A time in the future counts as now."""
        at = now if at is None else min(at, now)
        old = self._newest.get(key)
        if old is None or at >= old.at or old.file == file:
            self._newest.pop(key, None)  # so that the dict is in the order of arrival
            self._newest[key] = Newest(at, file, source, event)

    def _count(self, name: str, more: float, **labels: str) -> None:
        key = (name, tuple(labels.items()))
        self._counts[key] = self._counts.get(key, 0) + more
