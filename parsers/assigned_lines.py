"""Lines of `key:value - key:value` (verl's step line): the first line of a shape is read with care, and gives a pattern
that cuts the values out of the others in one pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from rli_agent.events import Shape
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.packs import Pairs
from rli_agent.parsers.quantities import number

#: (shape, values as floats, values as a JSON array)
Figures: TypeAlias = "tuple[Shape, list[float], str]"

_FLOATS = msgspec.json.Decoder(list[float])
_WRAPPED = re.compile(rb"np\.(?:float|int)(?:16|32|64)\(")
#: Shapes that are remembered: in all, some 30 KB each where the lines are long, and of lines with the same last key.
MAX_SHAPES, MAX_ALIKE = 300, 16
#: Pairs of a line from which on no pattern is made of it.
MAX_PAIRS = 1_000


class AssignedLines:
    """Reads the lines of one rule."""

    def __init__(self, rules: RuleSet, pairs: Pairs) -> None:
        self._rules = rules
        self._pairs = pairs
        self._between, self._assign = pairs.between.encode(), pairs.assign.encode()
        self._known: dict[object, list[tuple[re.Pattern[bytes], Shape]]] = {}
        self._shapes = 0

    def read(self, raw: bytes, extra: Mapping[str, str]) -> Figures | None:
        """The figures of a line; None where it must be read with care: value by value."""
        last = raw[raw.rfind(self._between) : raw.rfind(self._assign)]
        key = (last, *extra.items()) if extra else last
        alike = self._known.get(key, [])
        for i, (pattern, shape) in enumerate(alike):
            found = pattern.fullmatch(raw)
            if found is not None:
                if i:
                    alike.insert(0, alike.pop(i))
                return _figures(shape, found.groups())
        if len(alike) >= MAX_ALIKE or self._shapes >= MAX_SHAPES:
            return None
        learned = self._learn(raw, extra)
        if learned is None:
            return None
        self._shapes += 1
        self._known[key] = [learned, *alike]
        found = learned[0].fullmatch(raw)
        return _figures(learned[1], found.groups()) if found is not None else None

    def _learn(self, raw: bytes, extra: Mapping[str, str]) -> tuple[re.Pattern[bytes], Shape] | None:
        """The shape of a line that is pairs of a key and a number and nothing else, and a pattern of all such lines."""
        if not self._between or not self._assign:
            return None
        names: list[str] = []
        patterns: list[bytes] = []
        value = b"([^" + re.escape(self._between[:1]) + b"]+)"
        for part in raw.split(self._between, MAX_PAIRS):
            key, assign, printed = part.rpartition(self._assign)
            if not assign or number(printed.decode(errors="replace")) is None:
                return None
            names.append(self._pairs.kept_name(key.decode(errors="replace")))
            patterns.append(re.escape(key + assign) + value)
        if len(set(names)) != len(names) or len(names) > MAX_PAIRS:
            return None
        pattern = re.compile(re.escape(self._between).join(patterns))
        return pattern, self._rules.shape(tuple(names), (None,) * len(names), extra)


def _figures(shape: Shape, values: tuple[bytes, ...]) -> Figures | None:
    """None where a value is no number as JSON writes them."""
    printed = b"[" + b",".join(values) + b"]"
    if printed.find(b"np.") >= 0:  # NumPy 2 prints `np.float64(0.5)`
        printed = printed.replace(b"np.float64(", b"")
        printed = (_WRAPPED.sub(b"", printed) if printed.find(b"np.") >= 0 else printed).replace(b")", b"")
    try:
        floats = _FLOATS.decode(printed)
    except msgspec.DecodeError:
        return None
    return (shape, floats, printed.decode()) if len(floats) == len(values) else None
