"""Files that are read and give nothing: how many lines, and which shapes they have, so that it can be said why.

What it costs: lines of a file that gives figures are counted by block; only where none came for a while is a line here
and there looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from rli_agent.parsers.shapes import Shapes
from rli_agent.terminal import many

#: Lines without a figure, in a file that gave some, before any of them is looked at; of a block so many are, and so
#: many until figures come again.
PATIENCE = 500
SAMPLED_OF_A_BLOCK = 25
SAMPLED_AT_ALL = 250
#: Figures that used to come are missed after so many times the usual number of lines between them, and so many lines.
UNUSUAL = 50
MANY = 2_000
#: Characters of a shape that are shown.
SHOWN = 120


class Silence(Struct, frozen=True):
    """Lines that gave no figure. before: how many lines of the file had given some until then. shapes: the commonest of
    those looked at that no rule takes, with how many there were of each; sampled: how many were looked at."""

    lines: int
    before: int
    shapes: list[tuple[str, int]]
    sampled: int

    @property
    def text(self) -> str:
        """In words, to stand behind the file's name."""
        said = f"no rule reads a figure in its {many(self.lines, 'line')}"
        if self.before:
            said = f"no rule reads a figure in its last {self.lines:,} lines, as before; has the format changed?"
        if not self.shapes:
            return said
        shapes = ", ".join(f"{count}× “{shape[:SHOWN]}”" for shape, count in self.shapes)
        return f"{said}; commonest of {self.sampled} lines looked at: {shapes}"


class Unread:
    """Follows one file's lines. `unknown` gives a line's message, where no rule takes it."""

    def __init__(self, unknown: Callable[[bytes], str | None]) -> None:
        self._unknown = unknown
        self._lines = self._sampled = 0  # since the last figure
        self._read = self._figures = 0  # until then
        self.problems = 0
        self._shapes: Shapes | None = None

    def gave(self, lines: int, figures: int) -> None:
        """A block of so many lines gave figures."""
        self._read += lines + self._lines
        self._figures += figures
        self._lines = self._sampled = 0
        self._shapes = None

    def passed(self, data: bytes, lines: int, line: int) -> None:
        """A block gave none; `line` is the number of its first."""
        self._lines += lines
        if (self._figures and self._lines < PATIENCE) or self._sampled >= SAMPLED_AT_ALL:
            return
        self._shapes = self._shapes or Shapes(limit=64, keep=1)
        at, stride = 0, max(1, len(data) // SAMPLED_OF_A_BLOCK)
        for _ in range(SAMPLED_OF_A_BLOCK):
            end = data.find(b"\n", at)
            raw = data[at : end if end >= 0 else len(data)]
            if raw.strip():
                self._sampled += 1
                message = self._unknown(raw)
                if message is not None:
                    self._shapes.add(message, line)
            following = data.find(b"\n", max(at + stride, end))
            if end < 0 or following < 0:
                break
            at = following + 1

    @property
    def told_anything(self) -> bool:
        """Whether the file ever gave a figure."""
        return self._figures > 0

    def silence(self, least: int) -> Silence | None:
        """What to say, where a file has had `least` lines and never a figure, or unusually long none any more."""
        if self._figures:
            usual = self._read / self._figures
            if self._lines < max(MANY, UNUSUAL * usual):
                return None
        elif self._lines < max(least, 1):
            return None
        shapes = [(s.text, s.count) for s in self._shapes.commonest(3)] if self._shapes is not None else []
        return Silence(self._lines, self._read if self._figures else 0, shapes, self._sampled)
