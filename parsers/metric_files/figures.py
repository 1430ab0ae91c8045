"""Figures of one step, gathered from a metric file's records, and what becomes of them: one `Samples` event."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Samples, Source, TimeIs, as_printed
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.not_finite import not_finite
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.record_parser import role_of

_ENCODE = msgspec.json.Encoder().encode
#: Figures of a step that are gathered into one event, at most.
MOST = 5_000


class Figures(Struct):
    """What records say of one step. `line` is the first one's number, `offset` its place; `values` keep NaN as text."""

    line: int
    offset: int
    step: int | None
    time: float | None
    values: dict[str, float | int | str] = {}

    def add(self, name: str, value: float | int) -> None:
        """Take a figure in; an integer that no float can hold is none."""
        try:
            self.values[name] = as_printed(value if abs(value) < 2**63 and isinstance(value, int) else float(value))
        except OverflowError:
            return


class FigureReader:
    """Makes events of figures, by the names and roles that the packs of a source give them. While no framework is known
    all packs read a source, and none says whose figures those are."""

    def __init__(self, source: Source, rules: RuleSet, packs: Sequence[Pack]) -> None:
        self._source = source
        self._rules = rules
        self._roles = [spec for pack in packs for spec in pack.records if spec.role_of] if source.packs else []

    def events(self, figures: Figures, now: float | None) -> list[Event]:
        """The figures, and the problem that some of them are not finite. `now` stamps those without a time, where the
        file is being followed."""
        samples = self.samples(figures, now)
        problem = not_finite(samples)
        return [samples] if problem is None else [samples, problem]

    def samples(self, figures: Figures, now: float | None) -> Samples:
        """The figures alone."""
        names = tuple(sorted(figures.values))  # W&B writes them in any order: one shape for all
        role = next((r for spec in self._roles if (r := role_of(spec, figures.values)) is not None), "trainer")
        shape = self._rules.shape(names, (None,) * len(names), {"role": role})
        printed = [figures.values[name] for name in names]
        time = figures.time if figures.time is not None else now
        time_is: TimeIs = "logged" if figures.time is not None else "estimated" if now is None else "observed"
        return Samples(
            self._source.file, figures.line, figures.offset, time, time_is, figures.step, shape,
            [float(v) for v in printed], _ENCODE(printed).decode(),
        )  # fmt: skip


def single(raw: bytes) -> float:
    """A 32-bit float as the shortest decimal that means it: 0.1, not 0.10000000149011612."""
    (value,) = struct.unpack("<f", raw)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", short) == raw:
                return short
        except OverflowError:
            break
    return float(value)
