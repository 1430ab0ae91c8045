"""TensorBoard's event files (`events.out.tfevents.*`) to figures: scalars, as `simple_value` or as tensors.

Field numbers: tensorboard/compat/proto/{event,summary,tensor}.proto of TensorBoard 2.21; older ones are the same.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from msgspec import Struct

from rli_agent.events import Event, Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.metric_files.figures import MOST, FigureReader, Figures, single
from rli_agent.parsers.metric_files.tfrecords import records
from rli_agent.parsers.metric_files.wire import WireError, double, fields, integer, messages, text
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.remembered import Remembered, Timed

#: Tensor types that a scalar may have → struct's letter for `tensor_content`, field of `TensorProto` for a lone value.
_TYPES = {1: ("f", 5), 2: ("d", 6), 3: ("i", 7), 9: ("q", 10)}
#: What the plugin for hyperparameters keeps in summaries.
_NO_FIGURES = "_hparams_/"


class TensorBoardState(Struct, Remembered):
    """What must be remembered between two records: the figures of the step that is being written. `broken` counts
    records that could not be read."""

    gathered: Figures | None = None
    broken: int = 0


class TensorBoardParser(Timed):
    """Reads one event file. The scalars of a step, which lie one after the other, are one event."""

    def __init__(
        self, source: Source, rules: RuleSet, packs: Sequence[Pack], state: TensorBoardState | None = None
    ) -> None:
        self.state = state or TensorBoardState()
        self._reader = FigureReader(source, rules, packs)

    @property
    def waiting(self) -> bool:
        """Whether `flush` would give something."""
        return self.state.gathered is not None

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole records; `line` is the number of the first one. Events carry the times that the file gives."""
        del now
        events: list[Event] = []
        for number, (at, record) in enumerate(records(data)):
            try:
                if record is None:
                    raise WireError("damaged")
                self._event(record, line + number, offset + at, events)
            except WireError:
                self.state.broken += 1
        return events

    def flush(self) -> list[Event]:
        """The file is quiet or over: what was gathered of the last step."""
        gathered, self.state.gathered = self.state.gathered, None
        return self._reader.events(gathered, None) if gathered is not None else []

    def _event(self, record: bytes, line: int, offset: int, events: list[Event]) -> None:
        step, time, summary = 0, None, b""
        for number, value in fields(record):
            if number == 1:
                time = double(value)
            elif number == 2:
                step = integer(value)
            elif number == 5 and isinstance(value, bytes):
                summary = value
        for value in messages(summary, 1):
            tag = text(value, 1)
            figure = _scalar(value)
            if figure is None or not tag or tag.startswith(_NO_FIGURES):
                continue
            gathered = self.state.gathered
            if gathered is not None and (
                gathered.step != step or tag in gathered.values or len(gathered.values) >= MOST
            ):
                events += self.flush()
                gathered = None
            if gathered is None:
                gathered = self.state.gathered = Figures(line, offset, step, time)
            gathered.add(tag, figure)


def _scalar(value: bytes) -> float | int | None:
    """The figure of a `Summary.Value`; None for histograms, images, texts."""
    for number, content in fields(value):
        if number == 2 and isinstance(content, bytes):
            if len(content) != 4:
                raise WireError("not a float")
            return single(content)
        if number == 8 and isinstance(content, bytes):
            return _of_tensor(content)
    return None


def _of_tensor(tensor: bytes) -> float | int | None:
    """The one number in a tensor; None where there are more or others."""
    found = dict(fields(tensor))
    kind, raw = found.get(1), found.get(4, b"")
    letter, alone = _TYPES.get(kind if isinstance(kind, int) else 0, ("", 0))
    if not letter or not isinstance(raw, bytes):
        return None
    if not raw:
        lone = found.get(alone, b"")
        if lone == b"":
            return None
        if isinstance(lone, int) or letter in "iq":
            return integer(lone)
        raw = lone
    if letter == "f" and len(raw) == 4:
        return single(raw)
    if len(raw) == struct.calcsize(f"<{letter}"):
        number: float | int = struct.unpack(f"<{letter}", raw)[0]
        return number
    return None
