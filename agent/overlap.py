"""The same quantity told in several places of a run (console, metric files): each figure counts once.

Decided between parsing and the commit, so that the store and all publishers see one series. Sources are told apart by
what they are made of (`Source.reader`): a console's figure of a step that a metric file has told already is no new one,
and the other way round. What comes second is handed back apart, for the store to take over where it has more digits.
`rli-agent parse` prints both, each with its file and line, and the states once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Labels, Problem, Samples, Shape, Source
from rli_agent.parsers.not_finite import not_finite

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(list[msgspec.Raw]).decode
#: Makes of lines that are remembered.
MOST = 20_000

#: Name and labels.
_Quantity: TypeAlias = tuple[str, Labels]


class _Make(Struct):
    """Lines of one shape by one teller, and the newest step that one of them told."""

    shape: Shape
    teller: str
    step: int | None = None
    contested: bool = False


class _Newest(Struct):
    """Who told a contested quantity last, up to which step, and whether as a duration that is laid out in time."""

    teller: str
    step: int
    laid_out: bool


class Sifted(Struct):
    """`new` events, as they came; `again`: figures that another source told before."""

    new: list[Event]
    again: list[Samples]


class Overlap:
    """What was told of which quantity, so far. A quantity is a name with its labels."""

    def __init__(self) -> None:
        self._makes: dict[tuple[int, str], _Make] = {}
        self._told_by: dict[_Quantity, list[_Make]] = {}
        self._newest: dict[_Quantity, _Newest] = {}
        #: Several engines answer for themselves: what a console prints of an "engine 0" keeps its own name only.
        self.engines_asked = False
        self._parts: dict[tuple[int, tuple[int, ...]], tuple[Shape, Shape]] = {}

    def sift(self, events: Sequence[Event], source: Source) -> Sifted:
        """Tell the new ones of a file's events from those that say again what another source said."""
        teller = _teller(source)
        makes: dict[int, _Make] = {}
        sifted = Sifted([], [])
        for event in events:
            if not isinstance(event, Samples):
                if not _is_said_again(event, sifted):
                    sifted.new.append(event)
                continue
            if event.step is None or source.role == "rollouts" or event.shape.is_tallied:
                sifted.new.append(self._natively(event) if self.engines_asked else event)
                continue
            make = makes.get(id(event.shape))
            if make is None:
                make = makes[id(event.shape)] = self._make(event.shape, teller)
            make.step = event.step
            if make.contested:
                self._part(event, make, sifted)
            else:
                sifted.new.append(event)
        return sifted

    def _natively(self, event: Samples) -> Samples:
        """An engine's figures without their common names."""
        if not any(metric and metric.startswith("rl_engine_") for metric in event.shape.metrics):
            return event
        key = (id(event.shape), ())
        if key not in self._parts:
            self._parts[key] = (event.shape, _without_engine(event.shape))
        return msgspec.structs.replace(event, shape=self._parts[key][1])

    def _make(self, shape: Shape, teller: str) -> _Make:
        key = (id(shape), teller)
        make = self._makes.get(key)
        if make is not None or len(self._makes) >= MOST:
            return make or _Make(shape, teller)
        make = self._makes[key] = _Make(shape, teller)
        for name in shape.names:
            quantity = (name, shape.labels)
            told_by = self._told_by.setdefault(quantity, [])
            others = [other for other in told_by if other.teller != teller]
            for other in others:
                other.contested = make.contested = True
            told = max((o for o in others if o.step is not None), key=lambda o: o.step or 0, default=None)
            if told is not None and quantity not in self._newest:
                self._newest[quantity] = _Newest(told.teller, told.step or 0, _is_laid_out(told.shape, name))
            told_by.append(make)
        return make

    def _part(self, event: Samples, make: _Make, sifted: Sifted) -> None:
        """Part an event's figures into new ones and those that were told."""
        assert event.step is not None
        new: list[int] = []
        again: list[int] = []
        laid = {phase.index for phase in event.shape.plan.phases} if event.shape.plan is not None else set()
        for i, name in enumerate(event.shape.names):
            quantity = (name, event.shape.labels)
            if len(self._told_by.get(quantity, ())) < 2:
                new.append(i)
                continue
            newest = self._newest.get(quantity)
            if newest is not None and newest.teller != make.teller and event.step <= newest.step:
                (new if i in laid and not newest.laid_out else again).append(i)
                continue
            self._newest[quantity] = _Newest(make.teller, event.step, i in laid)
            new.append(i)
        if not again:
            sifted.new.append(event)
            return
        if new:
            sifted.new.append(self._only(event, new))
        sifted.again.append(self._only(event, again))

    def _only(self, event: Samples, chosen: list[int]) -> Samples:
        """The event with some of its figures."""
        key = (id(event.shape), tuple(chosen))
        if key not in self._parts:
            if len(self._parts) >= MOST:
                self._parts.clear()
            self._parts[key] = (event.shape, _part_of(event.shape, chosen))  # held, so that its id stays its own
        _, shape = self._parts[key]
        printed = _DECODE(event.printed)
        return msgspec.structs.replace(
            event, shape=shape, values=[event.values[i] for i in chosen],
            printed=_ENCODE([printed[i] for i in chosen]).decode(),
        )  # fmt: skip


def without_states(samples: Samples) -> Samples:
    """The figures alone: the states that durations among them tell of were told elsewhere."""
    return msgspec.structs.replace(samples, shape=msgspec.structs.replace(samples.shape, plan=None))


def _is_said_again(event: Event, sifted: Sifted) -> bool:
    """Whether a problem `nan` is of figures that another source has told, and so of one that this source has told."""
    if not isinstance(event, Problem) or event.kind != "nan":
        return False
    place = (event.file, event.offset)
    told = [e for e in sifted.again[-1:] if (e.file, e.offset) == place]
    new = [e for e in sifted.new[-1:] if isinstance(e, Samples) and (e.file, e.offset) == place]
    return bool(told) and not any(not_finite(samples) for samples in new)


def _without_engine(shape: Shape) -> Shape:
    metrics = tuple(None if metric and metric.startswith("rl_engine_") else metric for metric in shape.metrics)
    return msgspec.structs.replace(shape, metrics=metrics)


def _teller(source: Source) -> str:
    """Who tells: files of one kind go on where the other ends. Histories repeat each other, so each stands for
    itself."""
    return source.file if source.reader == "history" else source.reader


def _part_of(whole: Shape, chosen: list[int]) -> Shape:
    plan = whole.plan
    if plan is not None:
        place = {index: i for i, index in enumerate(chosen)}
        phases = tuple(msgspec.structs.replace(p, index=place[p.index]) for p in plan.phases if p.index in place)
        plan = msgspec.structs.replace(plan, phases=phases) if phases else None
    names, units, metrics = (tuple(column[i] for i in chosen) for column in (whole.names, whole.units, whole.metrics))
    return Shape(names, units, metrics, whole.labels, plan)  # type: ignore[arg-type]


def _is_laid_out(shape: Shape, name: str) -> bool:
    return shape.plan is not None and any(shape.names[phase.index] == name for phase in shape.plan.phases)
