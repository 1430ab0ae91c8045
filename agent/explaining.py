"""What became of each line of a run: which rule took it, and which shapes no rule knows. For people who write rules, or
wonder why there is nothing to see."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo

from msgspec import Struct, field

from rli_agent.discover import Found
from rli_agent.events import Event, Problem, Samples
from rli_agent.follow.reader import FileReader
from rli_agent.parsers.explaining import LineExplainer, Reason, Taken
from rli_agent.parsers.globs import Glob
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.shapes import LineShape, Shapes, record_keys, record_shape
from rli_agent.rulebook import Rulebook
from rli_agent.track import Track

#: Called for each line: its number, its text, who took it.
EachLine = Callable[[int, bytes, Taken], None]


class Explained(Struct):
    """What became of a file's lines. `rules`: how many each rule took; `reasons`: how many lines that none took belong
    to problems or echoed text; `unknown`: the rest. `figures`: values read. `unread`: what stopped the reading."""

    found: Found
    lines: int = 0
    figures: int = 0
    problems: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: Shapes = field(default_factory=Shapes)
    unread: str | None = None

    @property
    def taken(self) -> int:
        """Lines that a rule took, each once."""
        return self.lines - self.unknown.lines - self.reasons.total()

    def shapes(self, most: int) -> list[LineShape]:
        return self.unknown.commonest(most)

    def _count(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Samples):
                self.figures += len(event.values)
            elif isinstance(event, Problem):
                self.problems += event.count


def explain(
    found: Found, book: Rulebook, files: Sequence[str], zone: tzinfo, each: EachLine | None = None
) -> Explained:
    """Read one file of a run to its end. Never raises for what a file can hold."""
    result = Explained(found)
    if found.source.reader == "text":
        _text(result, LineExplainer(found.source, book.packs_of(found.source), files, zone, time.time()), each)
        return result
    if found.source.reader == "records":
        _records(result, _takers(book.packs_of(found.source), str(found.path)), each)
    track = Track(found, book, files, zone)
    while True:
        taken = track.take(16 << 20, time.time(), last=True)
        result._count(taken.events)
        if taken.ended:
            break
    track.close()
    return result


def _lines(result: Explained) -> Iterator[tuple[int, int, bytes]]:
    """(number, offset, text) of each line of the file."""
    limit = 64 << 20 if result.found.source.reader == "records" else 1 << 20
    reader = FileReader(result.found.path, None, line_limit=limit)
    try:
        while True:
            for block in reader.read(16 << 20, last=True):
                offset = block.offset
                for i, raw in enumerate(block.data.removesuffix(b"\n").split(b"\n")):
                    result.lines += 1
                    yield block.line + i, offset, raw
                    offset += len(raw) + 1
            if not reader.more:
                break
        result.unread = reader.problem
    finally:
        reader.close()


def _text(result: Explained, parser: LineExplainer, each: EachLine | None) -> None:
    for number, offset, raw in _lines(result):
        taken = parser.explain(raw, number, offset)
        result._count(taken.events)
        result.rules.update(taken.rules)
        if not taken.rules:
            if taken.reason:
                result.reasons[taken.reason] += 1
            else:
                result.unknown.add(taken.message, number)
        if each is not None:
            each(number, raw, taken)
    result._count(parser.flush())


def _takers(packs: Sequence[Pack], path: str) -> list[tuple[str, list[str]]]:
    """Which entries of packs may read a file of records: id, and the keys that a record must have."""
    entries = [(p.pack, r.id, r.paths, r.keys) for p in packs for r in p.rollouts]
    entries += [(p.pack, r.id, r.paths, r.keys) for p in packs for r in p.records]
    fits = [not paths or any(Glob(glob).fits(path) for glob in paths) for _, _, paths, _ in entries]
    return [(f"{pack}/{id}", keys) for (pack, id, _, keys), yes in zip(entries, fits, strict=True) if yes]


def _records(result: Explained, takers: Sequence[tuple[str, list[str]]], each: EachLine | None) -> None:
    for number, _, raw in _lines(result):
        keys = record_keys(raw)
        taker = next((name for name, needed in takers if keys is not None and keys.issuperset(needed)), None)
        if taker is not None:
            result.rules[taker] += 1
        elif not raw.strip():
            result.reasons["blank"] += 1
        else:
            result.unknown.add(record_shape(raw), number)
        if each is not None:
            reason: Reason = "" if raw.strip() else "blank"
            each(number, raw, Taken((taker,) if taker else (), reason, "", []))
