"""From the shape of a line to a rule: which figures it holds, what they are called, which one is the step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import regex
from msgspec import Struct

from rli_agent.parsers.quantities import number
from rli_agent.parsers.shapes import LineShape

#: What stands for a changing part in a shape → a pattern of it.
_PARTS = {
    "n": r"[-+.,\w]+", "d": r"\d+", "time": r"[-\d:T.,+Z ]+", "address": r"[\d.:]+", "path": r"/\S+",
    "id": r"[0-9a-fA-Fx-]+", "text": r"""(?:'[^']*'|"[^"]*")""",
}  # fmt: skip
_PART = re.compile(r"<(n|d|time|address|path|id|text)>")
_BEFORE = re.compile(
    r"""([A-Za-z_][\w./@-]*)['"]?(?:\s+(?:in|is|took|of|at|for|to|was|after|by|with))?\s*[:=]?\s*[\[(]?$"""
)
_BEHIND = re.compile(  # no name of what is assigned next
    r"(%|(?!(?:in|is|of|at|on|for|to|was|after|by|with|and|the|from)\b)[A-Za-z][\w/%]*(?![\w/%]|\s*[:=]))"
)
_STEPS: Final = ("step", "global_step", "iter", "iteration", "it", "update", "train_step", "steps")
#: Groups that mean something by themselves.
_MEANING = frozenset({"step", "steps", "total", "rest", "duration"})
#: Units that a pack knows; a word behind a figure that is none of these names the figure.
_UNITS = {"%": "percent", "s": "s", "sec": "s", "secs": "s", "seconds": "s", "ms": "ms", "us": "us", "GiB": "GiB"}


class Column(Struct):
    """A figure of a line: its group in the pattern ("" where nothing names it), the metric, and the unit if printed."""

    group: str
    name: str
    unit: str | None = None


class DraftRule(Struct):
    """A rule as far as a log tells it. pairs: separators of `key value` pairs (between, assign) where the whole line
    consists of them, in the group `rest`; `dict` or `json` where it is one. total: the group of a constant behind the
    step (`12/400`)."""

    id: str
    pattern: str
    shape: LineShape
    columns: list[Column]
    step: bool = False
    total: bool = False
    pairs: tuple[str, str] | str | None = None


def draft_rule(shape: LineShape, taken: set[str]) -> DraftRule | None:
    """A rule for the lines of a shape; None where none of its figures has a name. `taken`: ids that are used."""
    text = shape.text
    if text.startswith("{") and text.endswith("}"):
        kind = "json" if '"' in text.split(":")[0] else "dict"
        first = re.match(r"""\{\s*(['"][^'"]+['"])\s*:""", text)
        if first is not None:
            pattern = f"^(?P<rest>\\{{{_escape(first[1])}: .*\\}})"
            return DraftRule(_id(first[1], taken), pattern, shape, [], pairs=kind)
    pairs = _pairs(text)
    if pairs is not None:
        return _pairs_rule(shape, pairs, taken)
    columns = _columns(text)
    parts = _changing(text, shape.examples)
    values = [[number(v) for v in seen] for kind, seen in parts if kind == "n"]
    for column in columns:
        column.group += "_value" if column.group in _MEANING else ""
    step = _step(columns, values)
    if step is not None:
        columns[step].group, columns[step].name = "step", "step"
    total = step is not None and step + 1 < len(columns) and _is_total(text, step, values)
    if total and step is not None:
        columns[step + 1] = Column("total", "max_steps")
    named = [c for c in columns if c.group and c.group not in ("step", "total")]
    if not named or (len(values) == 1 and _rises(values[0])):  # a counter alone: `Saving checkpoint 12`
        return None
    words = re.sub(r"<\w+>", " ", text)
    pattern = "^" + _pattern(text, columns, [seen for _, seen in parts])
    return DraftRule(_id(words, taken), pattern, shape, columns, step is not None, total)


def _pairs(text: str) -> tuple[str, str] | None:
    """What separates the pairs of a line that consists of four or more: `step:1 - loss:0.5 - …`."""
    parts = text.split("<n>")
    if len(parts) < 5 or parts[-1].strip():
        return None
    first = re.fullmatch(r"[A-Za-z_][\w./@<>-]*(\s*[:=]\s*)", parts[0])
    inner = [re.fullmatch(r"([^\w<]+?)[A-Za-z_][\w./@<>-]*(\s*[:=]\s*)", part) for part in parts[1:-1]]
    seen = {(m[1], m[2]) for m in inner if m is not None}
    if first is None or None in inner or len(seen) != 1:
        return None
    between, assign = seen.pop()
    return (between, assign) if first[1] == assign else None


def _pairs_rule(shape: LineShape, pairs: tuple[str, str], taken: set[str]) -> DraftRule:
    _, assign = pairs
    keys = [key.strip() for key in re.findall(r"([A-Za-z_][\w./@<>-]*)" + re.escape(assign) + "<n>", shape.text)]
    head = keys[0]
    assigned = _pattern(head, [], [()] * head.count("<")) + _escape(assign)
    if head.lower() in _STEPS:
        pattern = f"^{assigned}(?P<step>\\d+){_escape(pairs[0])}(?P<rest>.+)"
        return DraftRule(_id(head, taken), pattern, shape, [], step=True, pairs=pairs)
    return DraftRule(_id(head, taken), f"^(?P<rest>{assigned}.+)", shape, [], pairs=pairs)


def _columns(text: str) -> list[Column]:
    """A figure is called after the word before it, or, where that belongs to the figure before, the one behind it."""
    columns: list[Column] = []
    used: set[str] = set()
    parts = text.split("<n>")
    word_taken = ""  # the word behind the figure before, where that is its name or unit
    for before, behind in pairwise(parts):
        free = before.lstrip().removeprefix(word_taken) if word_taken else before
        named, word = _BEFORE.search(free), _BEHIND.match(behind.lstrip(" "))
        unit = _UNITS.get(word[1]) if word is not None else None
        assigned = named is not None and free.rstrip(" ([")[-1:] in (":", "=")
        name = named[1] if named is not None else ""
        by_word = word is not None and unit is None and not assigned and (not name or behind.startswith(" "))
        if by_word and word is not None:
            name = word[1]
        word_taken = word[1] if word is not None and (unit is not None or by_word) else ""
        group = re.sub(r"\W+", "_", name).strip("_").lower()
        if group and group in used:
            group, name = next((f"{group}_{i}", f"{name}_{i}") for i in range(2, 1000) if f"{group}_{i}" not in used)
        used.add(group)
        columns.append(Column(group, name, unit) if group else Column("", ""))
    return columns


def _changing(text: str, examples: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Of each changing part its kind, and what stands there, example by example."""
    pattern = regex.compile("".join(f"({p})" if i % 2 else _escape(p) for i, p in enumerate(_split(text))))
    rows = [match.groups() for example in examples if (match := pattern.match(example.strip())) is not None]
    return [(kind, [row[i] for row in rows]) for i, kind in enumerate(_PART.findall(text))]


def _split(text: str) -> list[str]:
    """Literal, pattern, literal, pattern …, literal."""
    return [_PARTS.get(piece, piece) if i % 2 else piece for i, piece in enumerate(_PART.split(text))]


def _step(columns: Sequence[Column], values: Sequence[Sequence[float | int | None]]) -> int | None:
    """Which figure is the step: one that is called so, else the first of whole numbers that rise from line to line."""
    for i, column in enumerate(columns):
        if column.name.lower().rpartition("/")[2] in _STEPS and all(isinstance(v, int) for v in values[i]):
            return i
    return next((i for i, some in enumerate(values) if len(some) > 2 and _rises(some)), None)


def _rises(values: Sequence[float | int | None]) -> bool:
    """Whether all are whole numbers, each greater than the one before."""
    whole = [v for v in values if isinstance(v, int)]
    return len(whole) == len(values) > 1 and all(a < b for a, b in pairwise(whole))


def _is_total(text: str, step: int, values: Sequence[Sequence[float | int | None]]) -> bool:
    between = text.split("<n>")[step + 1]
    return between.strip() in ("/", "of") and len(set(values[step + 1])) == 1


def _pattern(text: str, columns: Sequence[Column], seen: Sequence[Sequence[str]]) -> str:
    """A pattern of the lines of a shape. What was the same in each of them, and is no figure, stays as it is."""
    pieces, at = [], 0
    for i, piece in enumerate(_PART.split(text)):
        if i % 2 == 0:
            pieces.append(_escape(piece))
        elif piece == "n":
            group = columns[at].group
            figure = r"\d+" if group in ("step", "total") else _PARTS["n"]
            pieces.append(f"(?P<{group}>{figure})" if group else figure)
            at += 1
        else:
            values = set(seen[i // 2])
            pieces.append(_escape(values.pop()) if len(seen[i // 2]) > 1 and len(values) == 1 else _PARTS[piece])
    return "".join(pieces)


def _escape(literal: str) -> str:
    """A literal in a pattern; blanks may be more of them, as where numbers are aligned."""
    return re.sub(r" {2,}", " +", re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", literal))


def _id(words: str, taken: set[str]) -> str:
    slug = "-".join(re.findall(r"[a-z]+", words.lower())[:3]) or "line"
    name = next(n for n in (slug, *(f"{slug}-{i}" for i in range(2, 10_000))) if n not in taken)
    taken.add(name)
    return name
