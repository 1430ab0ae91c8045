"""Counters and histograms of programs that call `rli_agent.api`, added up over all processes of a run and for good.

What they add up to is kept with the events that it follows from: in one transaction, so that it holds whenever the
agent dies, and by itself, so that it outlives events that `--keep` deletes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Labels, Samples, Shape, Source
from rli_agent.journal import logger
from rli_agent.publish.naming import clean, label_set
from rli_agent.rollout_statistics import Distribution
from rli_agent.store.knowledge import Knowledge

#: The bounds of a histogram for which none are named: RL-Insight's (0.3.0).
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
#: Series that are added up, and shapes whose series are remembered.
MOST, SHAPES = 20_000, 8192
#: What is kept is called so, with the metric's name.
_KEPT = "tally/"


class Tally(Struct):
    """A series. `total`: of a counter its `sum` alone counts."""

    kind: str
    name: str
    labels: Labels
    help: str
    bounds: tuple[float, ...]
    total: Distribution


class Tallies:
    """A participant of each commit. `series` may be called by other threads."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._lock = threading.Lock()
        self._by_name: dict[str, dict[Labels, Tally]] = {}
        self._of_shape: dict[tuple[int, Source], tuple[Shape, Tally | None]] = {}
        self._changed: set[str] = set()
        self._count = 0
        for value in knowledge.under(_KEPT):
            for tally in msgspec.msgpack.decode(value, type=list[Tally]):
                self._by_name.setdefault(tally.name, {})[tally.labels] = tally
                self._count += 1

    def prepare(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Add up what is about to be committed."""
        del now
        self._changed.clear()
        with self._lock:
            for event in events:
                if isinstance(event, Samples) and event.shape.is_tallied:
                    tally = self._tally(event.shape, source)
                    if tally is not None:
                        tally.total.add(event.values[0], tally.bounds)
                        self._changed.add(tally.name)

    def write(self) -> None:
        """Keep what changed."""
        for name in self._changed:
            kept = msgspec.msgpack.encode(list(self._by_name[name].values()))
            self._knowledge.set(_KEPT + name, kept)

    def series(self) -> Iterator[Tally]:
        """All of them, as they are now."""
        with self._lock:
            found = [tally for series in self._by_name.values() for tally in series.values()]
            totals = []
            for tally in found:
                total = Distribution()
                total.merge(tally.total)
                totals.append(total)
        for tally, total in zip(found, totals, strict=True):
            yield Tally(tally.kind, tally.name, tally.labels, tally.help, tally.bounds, total)

    def _tally(self, shape: Shape, source: Source) -> Tally | None:
        """The series that a shape feeds; None beyond the bound, and for a name that stands for another kind."""
        key = (id(shape), source)
        known = self._of_shape.get(key)
        if known is None:
            if len(self._of_shape) >= SHAPES:
                self._of_shape.clear()
            # Holding the shape keeps its id its own.
            known = self._of_shape[key] = (shape, self._begun(shape, source))
        return known[1]

    def _begun(self, shape: Shape, source: Source) -> Tally | None:
        declared = shape.declared
        assert declared is not None
        name = shape.names[0]
        labels = label_set((("role", source.role),), source.labels, shape.labels)
        if declared.kind == "histogram":  # whose buckets are told apart by `le`
            labels = tuple(sorted(("exported_le" if name == "le" else name, value) for name, value in labels))
        series = self._by_name.setdefault(name, {})
        first = next(iter(series.values()), None)
        if first is not None and first.kind != declared.kind:
            logger.warning("{} is a {}, and was also given as a {}: not shown", clean(name), first.kind, declared.kind)
            return None
        if labels in series:
            return series[labels]
        if self._count >= MOST:
            logger.warning("{}: there are {} counters and histograms; more are stored, not shown", clean(name), MOST)
            return None
        bounds = () if declared.kind == "counter" else first.bounds if first is not None else declared.bounds or BOUNDS
        self._count += 1
        series[labels] = Tally(declared.kind, name, labels, declared.help, bounds, Distribution())
        return series[labels]
