"""What `rli-agent rules check` proves of a pack: that its examples hold, each rule has one, and none is slow."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rli_agent.catalogue import Catalogue
from rli_agent.events import Source
from rli_agent.parsers.bars import bars
from rli_agent.parsers.compiled import RuleSet, compiled
from rli_agent.parsers.headers import read_header
from rli_agent.parsers.literals import required_literals
from rli_agent.parsers.pack_files import read_pack
from rli_agent.parsers.packs import Example, Expected, Pack
from rli_agent.parsers.settling import settle_events
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsers.typed_yaml import Document
from rli_agent.parsers.wrappers import segments, split_bar, unwrap
from rli_agent.printing import printed

#: Level, place in the file, what is wrong and the mend.
_Found = tuple[Literal["error", "warning"], str, str]

#: Lines of an example are taken to have been written at about this time (2026-01-02 00:00 UTC).
EXAMPLE_TIME = 1767312000.0


class Finding(Struct):
    """One thing that a check found: `FILE:LINE:COLUMN: what; the mend`. An error makes the check fail; a warning is for
    the author to weigh."""

    level: Literal["error", "warning"]
    text: str


def check_pack(path: Path) -> tuple[Pack, list[Finding]]:
    """Load a pack and look at it. Raises PackError where it cannot be loaded."""
    document = read_pack(path)
    return document.value, check_document(document)


def check_document(document: Document[Pack]) -> list[Finding]:
    """All that is wrong or doubtful in a pack."""
    found = [*_examples(document), *_literals(document), *_common_names(document)]
    return [Finding(level, str(document.error(at, text))) for level, at, text in found]


def _examples(document: Document[Pack]) -> Iterator[_Found]:
    pack = document.value
    if not pack.rules:
        yield "warning", ".pack", f"`{pack.pack}` has no rules: it reads no line; docs/rule-packs.md shows one"
    tried: set[str] = set()
    missed: set[str] = set()
    for i, example in enumerate(pack.examples):
        at = f".examples[{i}]"
        text = example.lines if example.lines is not None else example.line
        if text is None:
            yield "error", at, "the example has neither `line` nor `lines`; give the line as the framework prints it"
            continue
        got = events_of(pack, example)
        problem = _difference(example, got)
        if problem:
            yield "error", at, f"{text[:70]!r}: {problem}; if the rules are right, write expect: {_as_expected(got)}"
        matching = _matching(pack, text)
        tried |= matching if example.expect or example.rule else set()
        missed |= {r.id for r in pack.rules if r.id not in matching and _is_near(r.id, example, pack, text)}
    for i, rule in enumerate(pack.rules):
        at = f".rules[{i}].id"
        if rule.id not in tried:
            add = "add a line as it is printed under `examples`, with what it gives: `- {line: '…', expect: [{…}]}`"
            yield "error", at, f"rule `{rule.id}` has no example that matches; {add}"
        if rule.id not in missed:
            add = "add a line that looks alike and means something else: `- {line: '…', expect: []}`"
            yield "warning", at, f"rule `{rule.id}` has no near miss, which shows that it takes no others; {add}"


def _common_names(document: Document[Pack]) -> Iterator[_Found]:
    """The catalogue's right side must be common metrics."""
    known = Catalogue.load()
    for native, common in document.value.catalogue.items():
        if common not in known:
            near = difflib.get_close_matches(common, [q.name for q in known], n=1)
            mend = f"did you mean `{near[0]}`?" if near else "docs/metrics.md lists them; without one leave the key out"
            yield "error", f".catalogue.{native}", f"`{common}` is not a common metric; {mend}"


def events_of(pack: Pack, example: Example) -> list[dict[str, Any]]:
    """What a pack alone reads in an example, as `rli-agent parse` would print it."""
    source = Source(example.file, example.role, packs=(pack.pack,))
    parser = SourceParser(source, RuleSet([pack], source, [example.file, *example.files]), timezone.utc, EXAMPLE_TIME)
    text = example.lines if example.lines is not None else example.line or ""
    events = parser.feed((text.rstrip("\n") + "\n").encode(), 0, 1) + parser.flush()
    settle_events(events, parser.settle(EXAMPLE_TIME), EXAMPLE_TIME)
    return list(printed(events))


def _difference(example: Example, got: list[dict[str, Any]]) -> str:
    """Why the events are not those expected; empty when they are. Facts need not be named, all else must."""
    left = list(got)
    for want in example.expect:
        hit = next((g for g in left if _agrees(want, g)), None)
        if hit is None:
            return f"expected {_told(want)}, got {[_short(g) for g in got] or 'nothing'}"
        left.remove(hit)
    extra = [g for g in left if g["type"] != "fact"]
    return f"also gives {[_short(g) for g in extra]}, which is not expected" if extra else ""


def _agrees(want: Expected, got: dict[str, Any]) -> bool:
    for key, value in msgspec.to_builtins(want).items():
        if value is None:
            continue
        have = got.get(key)
        if isinstance(value, int | float) and isinstance(have, int | float):
            if abs(value - have) > 1e-9 * max(1.0, abs(value)):
                return False
        elif key == "labels":
            if any((have or {}).get(k) != v for k, v in value.items()):
                return False
        elif str(value).lower() != str(have).lower():
            return False
    return True


def _told(want: Expected) -> dict[str, Any]:
    return {k: v for k, v in msgspec.to_builtins(want).items() if v is not None}


def _as_expected(got: list[dict[str, Any]]) -> str:
    """What an example gives, as it would stand in `expect`."""
    return json.dumps([_short(g) for g in got if g["type"] != "fact"], ensure_ascii=False)


def _short(got: dict[str, Any]) -> dict[str, Any]:
    keep = ("name", "value", "step", "state", "duration_s", "kind", "level", "key")
    return {k: v for k, v in got.items() if k in keep}


def _messages(pack: Pack, text: str) -> list[str]:
    """A text's lines as rules see them."""
    found = []
    for raw in text.encode().split(b"\n"):
        found += bars(raw)
        for segment in segments(raw):
            body = unwrap(segment).text
            body = split_bar(body)[1] or body
            line = body.decode("utf-8", "replace")
            message = read_header(line).message
            for pattern in pack.strip:
                message = compiled(pattern).sub("", message)
            found += [line, message]
    return found


def _matching(pack: Pack, text: str) -> set[str]:
    lines = _messages(pack, text)
    return {r.id for r in pack.rules if any(compiled(r.pattern).search(line) for line in lines)}


def _is_near(rule_id: str, example: Example, pack: Pack, text: str) -> bool:
    """Whether a non-matching example comes near a rule: it is named, or holds one of the rule's literals or words."""
    if example.rule == rule_id:
        return True
    rule = next(r for r in pack.rules if r.id == rule_id)
    literals = [rule.contains] if isinstance(rule.contains, str) else rule.contains
    return any(literal in text for literal in (*literals, *required_literals(rule.pattern)) if literal)


def _literals(document: Document[Pack]) -> Iterator[_Found]:
    pack = document.value
    source = Source("logs/example.log", "trainer", packs=(pack.pack,))
    places = {rule.id: f".rules[{i}]" for i, rule in enumerate(pack.rules)}
    rules = RuleSet(
        [msgspec.structs.replace(pack, rules=[msgspec.structs.replace(r, when=None) for r in pack.rules])], source
    )
    for rule in rules.without_literal:
        text = f"rule `{rule.rule.id}` has no literal, so that it looks at every line, which is slow; give `contains`"
        yield "warning", f"{places[rule.rule.id]}.pattern", text
    for rule in rules.rules:
        given = rule.rule.contains
        literals = [given] if isinstance(given, str) and given else list(given)
        for example in pack.examples:
            for line in _messages(pack, example.lines or example.line or ""):
                if literals and rule.rx.search(line) and not any(literal in line for literal in literals):
                    text = f"rule `{rule.rule.id}` matches {line[:60]!r}, which holds none of its `contains`"
                    yield "error", f"{places[rule.rule.id]}.contains", f"{text}; add what all its lines hold"
