"""One metric line's figures: from a match to `Samples`, by the shortest way that is sure to be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rli_agent.events import Shape, as_printed
from rli_agent.parsers.assigned_lines import AssignedLines, Figures
from rli_agent.parsers.compiled import CompiledRule, RuleSet, named
from rli_agent.parsers.figure_lines import figures
from rli_agent.parsers.packs import Named, Pairs
from rli_agent.parsers.payloads import assigned, json_object, labelled, python_dict
from rli_agent.parsers.quantities import Quantity, quantity

_FLOATS = msgspec.json.Decoder(list[float])
_ENCODE = msgspec.json.Encoder().encode
_TEMPLATE = re.compile(r"\{(\w+)\}")
#: Makes a space of all that stands in no number.
_NUMBERS = bytes(byte if byte in b"-.0123456789" else 0x20 for byte in range(256))
#: Shapes of lines that are remembered.
MAX_SHAPES = 2_000


class LineReader:
    """Turns matches of one rule set into figures. Remembers the shape of every make of line it has seen."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._assigned: dict[str, AssignedLines] = {}
        self._in_order: dict[Any, Shape] = {}

    def read(self, rule: CompiledRule, match: Any, extra: Mapping[str, str]) -> Figures | None:
        """The figures of a matched line; None where it holds none."""
        pairs = rule.rule.pairs
        if pairs is not None and not rule.rule.metrics:
            text = match.group(pairs.source) or ""
            if pairs.read == "assigned" and not pairs.names:
                quick = self.assigned(rule, pairs).read(text.encode(), extra)
                if quick is not None:
                    return quick
            elif pairs.read == "labelled" and rule.figures_repeat:
                return self._labelled(rule, match, text, extra)
        return self._carefully(rule, match, extra)

    def assigned(self, rule: CompiledRule, pairs: Pairs) -> AssignedLines:
        """The reader of a rule's lines, if they are `key:value - key:value`."""
        found = self._assigned.get(rule.id)
        if found is None:
            found = self._assigned[rule.id] = AssignedLines(self._rules, pairs)
        return found

    def _carefully(self, rule: CompiledRule, match: Any, extra: Mapping[str, str]) -> Figures | None:
        """Key by key, value by value."""
        pairs = rule.rule.pairs
        names: list[str] = []
        units: list[str | None] = []
        values: list[float | int] = []

        def add(spec: Named, value: float | int, unit: str | None) -> None:
            names.append(filled(spec.name, match))
            units.append(spec.unit or unit)
            values.append(value * spec.scale if spec.scale is not None else value)

        for group, spec in rule.rule.metrics.items():
            text = match.group(group)
            if text is not None:
                read = quantity(text)
                if read is not None:
                    add(named(spec), read.value, read.unit)
        if pairs is not None:
            for key, read in _pairs(pairs, match.group(pairs.source) or ""):
                renamed = pairs.names.get(key, "")
                if renamed is None or (renamed == "" and pairs.others == "drop"):
                    continue
                add(named(renamed or pairs.kept_name(key)), read.value, read.unit)
        if not names:
            return None
        shape = self._rules.shape(tuple(names), tuple(units), extra)
        printed = _ENCODE([as_printed(v) for v in values]).decode()
        return shape, [float(v) for v in values], printed

    def _labelled(self, rule: CompiledRule, match: Any, text: str, extra: Mapping[str, str]) -> Figures | None:
        """`Label value unit, Label value unit` of a shape that was seen before: its numbers in their order."""
        raw = text.encode()
        key = (rule.id, raw.translate(None, b"0123456789."), tuple(extra.items()))
        numbers = raw.translate(_NUMBERS).split()
        known = self._in_order.get(key)
        if known is None:
            read = self._carefully(rule, match, extra)
            if read is None:
                return None
            if len(self._in_order) < MAX_SHAPES and _floats(numbers) == read[1]:
                self._in_order[key] = read[0]  # every number there is a value, as it stands there
            return read
        values = _floats(numbers) if len(numbers) == len(known.names) else None
        if values is None:
            return self._carefully(rule, match, extra)
        return known, values, f"[{b','.join(numbers).decode()}]"


def _floats(numbers: list[bytes]) -> list[float] | None:
    """Numbers as JSON has them; None where one is written otherwise."""
    try:
        return _FLOATS.decode(b"[" + b",".join(numbers) + b"]")
    except msgspec.DecodeError:
        return None


def _pairs(pairs: Pairs, text: str) -> list[tuple[str, Quantity]]:
    if pairs.read == "labelled":
        return labelled(text, pairs.between)
    if pairs.read == "assigned":
        found = [(key, quantity(value)) for key, value in assigned(text, pairs.between, pairs.assign)]
        return [(key, q) for key, q in found if q is not None]
    if pairs.read == "figures":
        return figures(text)
    if pairs.read == "table":
        return _table(text, pairs.between)
    if pairs.read == "dict" and "{" not in text:
        text = "{" + text  # the brace was overwritten by what stood on the line before
    table = python_dict(text) if pairs.read == "dict" else json_object(text)
    found = [(key, _as_quantity(value)) for key, value in (table or {}).items()]
    return [(key, q) for key, q in found if q is not None]


def _table(text: str, between: str) -> list[tuple[str, Quantity]]:
    """Names and values of a table's row, cell by cell; AReaL's tables hold several pairs a row, the last ones empty."""
    cells = [cell.strip() for cell in text.strip().removeprefix(between).split(between)]
    found = [(name, quantity(value)) for name, value in zip(cells[::2], cells[1::2], strict=False) if name]
    return [(name, q) for name, q in found if q is not None]


def _as_quantity(value: Any) -> Quantity | None:
    if isinstance(value, bool):
        value = int(value)
    return Quantity(value, None, "") if isinstance(value, int | float) else None


def filled(name: str, match: Any) -> str:
    """A name with the pattern's groups put in for `{group}`."""
    if "{" not in name:
        return name
    groups = match.groupdict()
    return _TEMPLATE.sub(lambda m: (groups.get(m.group(1)) or "").strip(), name)
