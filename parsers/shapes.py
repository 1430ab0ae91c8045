"""Shapes of lines: what stays when the parts that change from line to line are taken out. Which lines repeat, and which
figures they hold."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Struct

from rli_agent.parsers.lazy_patterns import lazy_pattern

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: Characters of a line that are looked at.
LONGEST = 600
#: A free-standing figure: with a sign and an exponent, a unit may follow; nan and infinities too.
FIGURE: Final = r"[-+]?(?:\d+(?:[,_]\d+)*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_CHANGING = lazy_pattern(
    r"(?P<time>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?|\b\d\d?:\d\d:\d\d(?:[.,]\d+)?)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?)"
    r"|(?P<path>(?<![\w.])(?:/[\w.@+=-]+){2,}/?)"
    r"|(?P<id>\b0x[0-9a-fA-F]+|\b(?=[0-9a-f-]*\d)(?=[0-9a-f-]*[a-f])[0-9a-f]{8}[0-9a-f-]*\b)"
    r"|(?P<key>'[^'\n]{0,200}'\s*:|\"[^\"\n]{0,200}\"\s*:)"
    r"|(?P<text>'[^'\n]{0,200}'|\"[^\"\n]{0,200}\")"
    rf"|(?P<n>(?<![\w.@]){FIGURE}(?![\d])|(?<![\w.@])[-+]?(?:nan|inf)(?!\w))"
    r"|(?P<d>\d+)"
)


class LineShape(Struct):
    """Lines of one shape: how many there are, where the first stands, and some of them as they are printed."""

    text: str
    count: int
    line: int
    examples: list[str]

    @property
    def figures(self) -> int:
        """How many figures each of them holds."""
        return self.text.count("<n>")


def shape_of(message: str, longest: int = LONGEST) -> str:
    """A line with `<n>` for each figure, `<d>` for digits inside words, and `<time>`, `<address>`, `<path>`, `<id>`,
    `<text>` for what those are. A quoted key (`'loss': 0.5`) stays."""
    return _CHANGING.sub(_placeholder, message[:longest].strip())


def _placeholder(part: re.Match[str]) -> str:
    return part[0] if part.lastgroup == "key" else f"<{part.lastgroup}>"


def record_keys(raw: bytes) -> frozenset[str] | None:
    """The keys of a line that is a JSON object; None where it is none."""
    try:
        return frozenset(_OBJECT.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def record_shape(raw: bytes) -> str:
    """What kind of record a line holds, in words."""
    keys = record_keys(raw)
    return "no JSON object" if keys is None else f"a record with the keys {', '.join(sorted(keys))}"


class Shapes:
    """Counts lines by shape, in bounded memory: when `limit` shapes are known the rarer half is forgotten.

    `keep`: so many examples of each are kept; `longest`: so many characters of a line.
    """

    def __init__(self, limit: int = 2_000, keep: int = 3, longest: int = LONGEST) -> None:
        self._limit = limit
        self._keep = keep
        self._longest = longest
        self._known: dict[str, LineShape] = {}
        self.lines = 0

    def add(self, message: str, line: int) -> None:
        text = shape_of(message, self._longest)
        if not text:
            return
        self.lines += 1
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= self._limit:
                self._known = {s.text: s for s in self.commonest(self._limit // 2)}
            known = self._known[text] = LineShape(text, 0, line, [])
        known.count += 1
        if len(known.examples) < self._keep:
            known.examples.append(message[: self._longest])

    def commonest(self, most: int = 5) -> list[LineShape]:
        """The most frequent shapes, the earlier first where two are as frequent."""
        return sorted(self._known.values(), key=lambda s: (-s.count, s.line))[:most]
