"""What a program says by `rli_agent.api`: one JSON object a line. docs/python-api.md describes the form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.events import (
    Attributes,
    Declared,
    Event,
    Interval,
    Labels,
    Problem,
    RunFact,
    Samples,
    Shape,
    Source,
    as_printed,
)
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.remembered import Immediate, Remembered

#: A key of the first line of each file.
MARK = "rli_agent_events"
#: Bounds on what a program may say: characters of a name, of a value of a label and of an attribute; how many of those;
#: states that are open at once; metrics with their labels that are remembered.
NAME, VALUE, TEXT, PAIRS, OPEN, SHAPES = 200, 256, 4096, 64, 4096, 10_000
#: What a program may say of the run itself.
FACTS = frozenset({"max_steps", "model", "engine_addresses"})
_KINDS = frozenset({"gauge", "counter", "histogram"})
_LARGEST = 2**63 - 1
_FIGURES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ENCODE = msgspec.json.Encoder().encode


class _Line(Struct):
    """Any line; which fields it has depends on its type."""

    type: str
    time: float
    name: str = ""
    value: float | str = 0.0
    key: str = ""
    help: str = ""
    buckets: tuple[float, ...] = ()
    step: int | None = None
    labels: dict[str, str | int | float | bool | None] = {}
    id: str = ""
    state: str = ""
    lane: str = ""
    start: float | None = None
    pid: int = 0
    role: str = ""
    project: str = ""
    experiment_name: str = ""
    steps: bool = False
    count: int = 0


_DECODE = msgspec.json.Decoder(_Line).decode


class Opened(Struct, array_like=True):
    """A state that has begun."""

    line: int
    offset: int
    lane: str
    state: str
    step: int | None
    start: float
    attributes: Attributes = ()


class ApiEventsState(Struct, Remembered):
    """What must be remembered between two lines. opened: by the id of the state, which begins with its process's.
    broken: lines that could not be read."""

    opened: dict[str, Opened] = {}
    role: str = "trainer"
    broken: int = 0


class ApiEventsParser(Immediate):
    """Reads the events of one file."""

    def __init__(self, source: Source, rules: RuleSet, state: ApiEventsState | None = None) -> None:
        self.source = source
        self.state = state or ApiEventsState()
        self._rules = rules
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole lines, each of which says when it was."""
        del now
        events: list[Event] = []
        for raw in data.split(b"\n"):
            if raw and not raw.isspace():
                try:
                    events += self._said(_DECODE(raw), line, offset)
                except (ValueError, OverflowError, RecursionError):
                    self.state.broken += 1
            offset += len(raw) + 1
            line += 1
        return events

    def _said(self, said: _Line, line: int, offset: int) -> Iterator[Event]:
        """Raises ValueError for a line that makes no sense."""
        _check(said)
        if said.type in _KINDS:
            yield self._samples(said, line, offset)
        elif said.type == "begin":
            yield from self._begin(said, line, offset)
        elif said.type in ("end", "span"):
            yield from self._end(said, line, offset)
        elif said.type == "process":
            self.state.role = said.role[:NAME] or "trainer"
            yield from self._over(said, line, offset)
            for key, value in (("project", said.project), ("experiment", said.experiment_name)):
                if value:
                    yield RunFact(self.source.file, line, offset, said.time, "logged", key, value[:VALUE])
        elif said.type == "finish":
            yield from self._over(said, line, offset)
            if said.steps:
                yield RunFact(self.source.file, line, offset, said.time, "logged", "life", "finished")
        elif said.type == "fact" and said.key in FACTS and isinstance(said.value, str):
            yield RunFact(self.source.file, line, offset, said.time, "logged", said.key, said.value[:TEXT])
        elif said.type == "lost":
            text = f"{said.count} events of rli_agent.api could not be written to {self.source.file}"
            place = (self.source.file, line, offset, said.time)
            yield Problem(*place, "logged", "ERROR", "disk_full", text, labels=self._role())

    def _samples(self, said: _Line, line: int, offset: int) -> Samples:
        value = _FIGURES.get(said.value) if isinstance(said.value, str) else said.value
        if value is None or not said.name or (said.type == "counter" and not 0.0 <= value < 1e150):
            raise ValueError("no metric")
        printed = _ENCODE([as_printed(value)]).decode()
        place = (self.source.file, line, offset, said.time)
        return Samples(*place, "logged", said.step, self._shape(said), [value], printed)

    def _shape(self, said: _Line) -> Shape:
        """The one shape of a metric with its labels; the bounds of buckets and the help are those told first."""
        labels = {"role": self.state.role} | {
            name[:NAME]: _text(value)[:VALUE] for name, value in list(said.labels.items())[:PAIRS]
        }
        key = (said.type, said.name, tuple(sorted(labels.items())))
        shape = self._shapes.get(key)
        if shape is None:
            plain = self._rules.shape((said.name[:NAME],), (None,), labels)
            declared = Declared(said.type, said.help[:TEXT], _bounds(said.buckets))  # type: ignore[arg-type]
            metrics = plain.metrics if said.type == "gauge" else (None,)
            shape = Shape(plain.names, plain.units, metrics, plain.labels, None, declared)
            if len(self._shapes) < SHAPES:
                self._shapes[key] = shape
        return shape

    def _begin(self, said: _Line, line: int, offset: int) -> Iterator[Interval]:
        opened = self.state.opened
        state = Opened(
            line, offset, said.lane[:NAME], said.state[:NAME], said.step, said.time, _attributes(said.labels)
        )  # fmt: skip
        if said.id and (len(opened) < OPEN or said.id in opened):
            opened[said.id[:NAME]] = state
        yield self._interval(state)

    def _end(self, said: _Line, line: int, offset: int) -> Iterator[Interval]:
        """The end of a state, or a span, and once more what else the lane is in under the same name."""
        if said.type == "end":
            self.state.opened.pop(said.id[:NAME], None)
        start = said.time if said.start is None else said.start
        name = said.state if said.type == "end" else said.name
        state = Opened(line, offset, said.lane[:NAME], name[:NAME], said.step, start, _attributes(said.labels))
        yield self._interval(state, max(start, said.time))
        for other in self.state.opened.values():
            if (other.lane, other.state) == (state.lane, state.state):
                yield self._interval(other)

    def _over(self, said: _Line, line: int, offset: int) -> Iterator[Interval]:
        """A process ended, or is another one by now: its states are over, when is not known."""
        mark = f"{said.pid}."
        for key in [key for key in self.state.opened if key.startswith(mark)]:
            was = self.state.opened.pop(key)
            yield Interval(
                self.source.file, line, offset, "logged", was.lane, was.state, was.step, said.time, said.time,
                labels=self._role(),
            )  # fmt: skip

    def _interval(self, was: Opened, end: float | None = None) -> Interval:
        return Interval(
            self.source.file, was.line, was.offset, "logged", was.lane, was.state, was.step, was.start, end,
            None if end is None else round(end - was.start, 6), None, self._role(), was.attributes,
        )  # fmt: skip

    def _role(self) -> Labels:
        return (("role", self.state.role),)


def is_events(head: bytes) -> bool:
    """Whether a file that begins so is one of these."""
    return f'"{MARK}"'.encode() in head


def _check(said: _Line) -> None:
    """Raises ValueError for figures that cannot be stored."""
    times = (said.time,) if said.start is None else (said.time, said.start)
    if not all(0.0 <= time < 1e11 for time in times) or (said.step is not None and abs(said.step) > _LARGEST):
        raise ValueError("no time, or no step")


def _text(value: str | int | float | bool | None) -> str:
    return value if isinstance(value, str) else str(value)


def _attributes(labels: dict[str, str | int | float | bool | None]) -> Attributes:
    return tuple(
        (name[:NAME], value if isinstance(value, int | float) and abs(value) <= _LARGEST else _text(value)[:TEXT])
        for name, value in list(labels.items())[:PAIRS]
    )


def _bounds(buckets: tuple[float, ...]) -> tuple[float, ...]:
    """Finite and rising."""
    return tuple(sorted({b for b in buckets if math.isfinite(b)}))[:PAIRS]
