"""One metric line's figures: from a match to `Samples`, by the shortest way that is sure to be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rli_agent.events import Shape, as_printed
from rli_agent.parsers.compiled import CompiledRule, RuleSet, named
from rli_agent.parsers.figure_lines import figures
from rli_agent.parsers.packs import Named, Pairs
from rli_agent.parsers.payloads import assigned, json_object, labelled, python_dict
from rli_agent.parsers.quantities import Quantity, number, quantity

_FLOATS = msgspec.json.Decoder(list[float])
_ENCODE = msgspec.json.Encoder().encode
#: What differs between two lines of one shape: the characters of numbers.
_FIGURES = b"0123456789.eE+-"
_WRAPPED = re.compile(rb"np\.(?:float|int)(?:16|32|64)\(")
_TEMPLATE = re.compile(r"\{(\w+)\}")

#: (shape, values as floats, values as a JSON array)
Figures = tuple[Shape, list[float], str]
#: (shape, where each part's value begins, the keys that a signature does not tell, by their place, or a pattern of what
#: stands between two values)
_Cut = tuple[Shape, list[int], list[tuple[int, bytes]], re.Pattern[bytes] | None]
_NUMBERS = re.compile(rb"(?<![\d.])-?(?:0|[1-9]\d*)(?:\.\d+)?(?![\d.])")
_TELLING = re.compile(rb"[0-9.+-]")
#: Shapes of lines that are remembered.
MAX_SHAPES = 2_000


class LineReader:
    """Turns matches of one rule set into figures. Remembers the shape of every make of line it has seen."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._known: dict[Any, _Cut] = {}
        self._in_order: dict[Any, Shape] = {}

    def read(self, rule: CompiledRule, match: Any, extra: Mapping[str, str]) -> Figures | None:
        """The figures of a matched line; None where it holds none."""
        pairs = rule.rule.pairs
        if pairs is not None and not rule.rule.metrics:
            text = match.group(pairs.source) or ""
            if pairs.read == "assigned" and not pairs.names:
                fast = self._assigned(rule, pairs, text, extra)
                if fast is not None:
                    return fast
            elif pairs.read == "labelled" and rule.figures_repeat:
                return self._labelled(rule, match, text, extra)
        return self._carefully(rule, match, extra)

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
                add(named(renamed or _prefixed(pairs, key)), read.value, read.unit)
        if not names:
            return None
        shape = self._rules.shape(tuple(names), tuple(units), extra)
        printed = _ENCODE([as_printed(v) for v in values]).decode()
        return shape, [float(v) for v in values], printed

    def _labelled(self, rule: CompiledRule, match: Any, text: str, extra: Mapping[str, str]) -> Figures | None:
        """`Label value unit, Label value unit` of a shape that was seen before: its numbers in their order."""
        raw = text.encode()
        key = (rule.id, raw.translate(None, b"0123456789."), tuple(extra.items()))
        numbers = _NUMBERS.findall(raw)
        known = self._in_order.get(key)
        if known is None:
            read = self._carefully(rule, match, extra)
            if read is None:
                return None
            if [float(n) for n in numbers] == read[1] and len(self._in_order) < MAX_SHAPES:
                self._in_order[key] = read[0]  # every number there is a value, as it stands there
            return read
        if len(numbers) != len(known.names):
            return self._carefully(rule, match, extra)
        printed = b"[" + b",".join(numbers) + b"]"
        return known, _FLOATS.decode(printed), printed.decode()

    def _assigned(self, rule: CompiledRule, pairs: Pairs, text: str, extra: Mapping[str, str]) -> Figures | None:
        """`key:value - key:value` of a shape that was seen before: values are cut out by position, in one pass.

        Two lines are of one shape when all that is no figure is the same. None sends the line the careful way.
        """
        raw = text.encode()
        wrapped = raw.find(b"np.") >= 0
        if wrapped:  # `np.float64(0.5)` becomes `0.5)`
            raw = raw.replace(b"np.float64(", b"")
            raw = _WRAPPED.sub(b"", raw) if raw.find(b"np.") >= 0 else raw
        signature = raw.translate(None, _FIGURES + b")" if wrapped else _FIGURES)
        key = (rule.id, signature, tuple(extra.items()))
        known = self._known.get(key)
        between = pairs.between.encode()
        if known is None:
            known = self._learn(pairs, raw, between, extra)
            if known is None:
                return None
            if len(self._known) < MAX_SHAPES:
                self._known[key] = known
        shape, starts, keys, pattern = known
        if pattern is not None:
            values_only = pattern.split(raw)
            values_only[0] = values_only[0][starts[0] :]
        else:
            parts = raw.split(between)
            if len(parts) != len(starts):
                return None
            for i, beginning in keys:
                if not parts[i].startswith(beginning):
                    return None
            values_only = [part[at:] for part, at in zip(parts, starts, strict=True)]
        printed = b"[" + b",".join(values_only) + b"]"
        if wrapped:
            printed = printed.translate(None, b")")
        try:
            values = _FLOATS.decode(printed)
        except msgspec.DecodeError:
            return None
        if len(values) != len(starts):
            return None
        return shape, values, printed.decode()

    def _learn(self, pairs: Pairs, raw: bytes, between: bytes, extra: Mapping[str, str]) -> _Cut | None:
        assign = pairs.assign.encode()
        names: list[str] = []
        starts: list[int] = []
        parts = raw.split(between)
        for part in parts:
            key, found, value = part.rpartition(assign)
            if not found or number(value.removesuffix(b")").decode(errors="replace")) is None:
                return None
            names.append(_prefixed(pairs, key.decode(errors="replace")))
            starts.append(len(key) + len(assign))
        if len(set(names)) != len(names):
            return None
        # a signature drops the characters of figures, which keys hold too (`mean@1`): such keys are compared
        keys = [
            (i, part[:at])
            for i, (part, at) in enumerate(zip(parts, starts, strict=True))
            if _TELLING.search(part, 0, at)
        ]
        # where no key needs that, and none holds what stands between key and value, keys are passed by in one go
        plain = not keys and len(assign) == 1 and raw.count(assign) == len(parts)
        mark = re.escape(assign)
        pattern = re.compile(re.escape(between) + b"[^" + mark + b"]*" + mark) if plain else None
        return self._rules.shape(tuple(names), (None,) * len(names), extra), starts, keys, pattern


def _prefixed(pairs: Pairs, key: str) -> str:
    if isinstance(pairs.prefix, str):
        return pairs.prefix + key
    beginning = max((b for b in pairs.prefix if key.startswith(b)), key=len, default=None)
    return key if beginning is None else pairs.prefix[beginning] + key[len(beginning) :]


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
