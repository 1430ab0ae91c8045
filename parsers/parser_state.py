"""What reading a text file must remember between two lines; committed with the events, it lets a parser go on."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from rli_agent.parsers.batched import Held, Pace
from rli_agent.parsers.blocks import Block
from rli_agent.parsers.captures import Form
from rli_agent.parsers.problem_reader import ProblemState
from rli_agent.parsers.timeline import Opened
from rli_agent.parsers.timestamps import ClockState

_ENCODER = msgspec.json.Encoder()


class ParserState(Struct):
    """What a parser must remember between two lines. `levels` counts lines by level word since the file began.

    capture: the prefix that whatever captured the lines put before them. drawn: what each rule on bars said last.
    held, batch: figures that wait for the bar behind them, and those before them that came without a bar. glued: the
    step that a bar tells behind the figures on their own line. bar_since: whether a bar that tells of a step was drawn
    since figures were last held back. said: step and value of figures that others may repeat. stamper: whose stamp
    `last_time` is, as long as it goes on. block: durations of a step that are printed in several lines.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    slots: dict[str, int] = {}
    opened: dict[str, Opened] = {}
    regions: dict[str, tuple[int, int]] = {}
    problems: ProblemState = msgspec.field(default_factory=ProblemState)
    capture: Form | None = None
    last_time: float | None = None
    stamper: str | None = None
    held: Held | None = None
    batch: list[Held] = []
    glued: int | None = None
    pace: Pace = msgspec.field(default_factory=Pace)
    block: Block | None = None
    drawn: dict[str, str] = {}
    bar_since: bool = True
    said: dict[str, tuple[int, float | str]] = {}
    facts: dict[str, str] = {}
    levels: dict[str, int] = {}

    def encode(self) -> bytes:
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> ParserState:
        """Raises msgspec.DecodeError (a ValueError) where the bytes are of another version."""
        return msgspec.json.decode(data, type=cls)
