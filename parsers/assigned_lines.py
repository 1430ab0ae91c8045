"""Lines of `key:value - key:value` (verl's step line): the keys of a make of line are read once, the values of each
line in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from rli_agent.events import Shape
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.cutting import cut
from rli_agent.parsers.packs import Pairs
from rli_agent.parsers.printed_values import PrintedValues, floats

#: (shape, values as floats, values as a JSON array)
Figures: TypeAlias = "tuple[Shape, Sequence[float], str]"

#: Shapes that are remembered, some 10 KB each where the lines are long.
MAX_SHAPES = 300


class AssignedLines:
    """Reads the lines of one rule."""

    def __init__(self, rules: RuleSet, pairs: Pairs) -> None:
        self._rules = rules
        self._pairs = pairs
        self._between, self._assign = pairs.between.encode(), pairs.assign.encode()
        self._known: dict[object, Shape | None] = {}

    def read(self, raw: bytes, extra: Mapping[str, str]) -> Figures | None:
        """The figures of a line that is pairs of a key and a number, as JSON writes one, and nothing else; None where
        it must be read with care: value by value."""
        parts = cut(raw, self._between, self._assign)
        if parts is None:
            return None
        keys, printed, plain = parts
        key = (keys, *extra.items()) if extra else keys
        try:
            shape = self._known[key]
        except KeyError:
            if len(self._known) >= MAX_SHAPES:
                return None
            shape = self._known[key] = self._shape(keys, extra)
        if shape is None:
            return None
        if plain:
            return shape, PrintedValues(printed, len(shape.names)), printed
        try:
            values = floats(printed)
        except msgspec.DecodeError:
            return None
        return (shape, values, printed) if len(values) == len(shape.names) else None

    def _shape(self, keys: bytes, extra: Mapping[str, str]) -> Shape | None:
        """None where a key is empty, has space around it, or comes twice."""
        texts = keys.decode(errors="replace").split("\n")
        if len(set(texts)) < len(texts) or any(text != text.strip() or not text for text in texts):
            return None
        names = tuple(self._pairs.kept_name(text) for text in texts)
        return self._rules.shape(names, (None,) * len(names), extra)
