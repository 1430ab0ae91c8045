"""From a log to a pack: the shapes of lines that no rule takes yet, made rules, each tried before it is kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.drafting.columns import DraftRule, draft_rule
from rli_agent.drafting.pack_text import pack_text
from rli_agent.errors import UserError
from rli_agent.events import Source
from rli_agent.follow.reader import FileReader
from rli_agent.parsers.explaining import LineExplainer
from rli_agent.parsers.literals import required_literals
from rli_agent.parsers.pack_files import PackError, parse_pack
from rli_agent.parsers.packs import Example, Pack
from rli_agent.parsers.shapes import LineShape, Shapes
from rli_agent.rule_checks import events_of

#: Shapes that are made rules, and how often one must occur.
MOST_RULES = 20
RARE = 2
#: Examples of a shape from which its figures are understood, and those that go into the pack.
EXAMPLES, SHOWN = 40, 2
#: Longer lines (characters) make no examples that one would read.
LONGEST = 4_000
_SCRIPT = re.compile(r"[\w-]+(?:/[\w-]+)*\.py\b")


class Draft(Struct):
    """A pack's text, and what became of the log: shapes made rules, and the commonest of those left out."""

    text: str
    rules: list[DraftRule]
    left_out: list[LineShape]


def draft(log: Path, name: str, packs: Sequence[Pack], schema: Path, zone: tzinfo) -> Draft:
    """A pack called `name` for a log. packs: those in force; lines that their engines' and problems' rules take are
    left to them. schema: that of packs, named for editors. Raises UserError where the log gives nothing to begin with.
    """
    shapes = _shapes(log, [p for p in packs if p.kind in ("engine", "problems")], zone)
    ids: set[str] = set()
    rules: list[DraftRule] = []
    left_out: list[LineShape] = []
    for shape in shapes.commonest(1000):
        rule = draft_rule(shape, ids) if shape.figures and shape.count >= RARE and len(rules) < MOST_RULES else None
        if rule is not None and _works(rule, name):
            rules.append(rule)
        else:
            left_out.append(shape)
    if not rules:
        raise UserError(
            f"{log}: no line with a figure that has a name comes more than once and is not read already",
            "`rli-agent rules explain` shows what its lines are",
        )
    rules.sort(key=lambda rule: -len(rule.pattern))  # what takes more of a line comes before what takes less
    pack = _made(rules, name)
    assert pack is not None
    examples = {rule.id: [(line, _gives(pack, line)) for line in rule.shape.examples[:SHOWN]] for rule in rules}
    near = {rule.id: _near(rule, rules, left_out, pack) for rule in rules}
    hints = _common_names(packs)
    telling = _telling(rules, shapes.commonest(1000))
    text = pack_text(name, log, schema, telling, rules, examples, near, hints)
    return Draft(text, rules, [s for s in left_out if s.count >= RARE][:10])


def _shapes(log: Path, packs: Sequence[Pack], zone: tzinfo) -> Shapes:
    source = Source(log.name, "trainer", packs=tuple(p.pack for p in packs))
    reader = FileReader(log, None)
    explainer = LineExplainer(source, packs, [log.name], zone, reader.mtime)
    shapes = Shapes(keep=EXAMPLES, longest=LONGEST)
    try:
        while True:
            for block in reader.read(16 << 20, last=True):
                offset = block.offset
                for i, raw in enumerate(block.data.removesuffix(b"\n").split(b"\n")):
                    taken = explainer.explain(raw, block.line + i, offset)
                    offset += len(raw) + 1
                    if not taken.rules and not taken.reason and len(taken.message) <= LONGEST:
                        shapes.add(taken.message.strip(), block.line + i)
            if not reader.more:
                break
        if reader.problem:
            raise UserError(reader.problem)
    finally:
        reader.close()
    return shapes


def _made(rules: Iterable[DraftRule], name: str) -> Pack | None:
    """A pack of these rules; None where they make none."""
    try:
        return parse_pack(pack_text(name, None, None, [], list(rules), {}, {}, {}), name)
    except PackError:
        return None


def _gives(pack: Pack, line: str) -> list[dict[str, Any]]:
    return [e for e in events_of(pack, Example([], line)) if e["type"] != "fact"]


def _works(rule: DraftRule, name: str) -> bool:
    """Whether the rule is cheap (it has a literal) and reads a figure in each of its examples."""
    pack = _made([rule], name)
    if pack is None:
        return False
    if not required_literals(rule.pattern):
        return False
    return all(any(e["type"] == "metric" for e in _gives(pack, line)) for line in rule.shape.examples[:SHOWN])


def _near(
    rule: DraftRule, rules: Sequence[DraftRule], others: Iterable[LineShape], pack: Pack
) -> tuple[str, bool] | None:
    """A line that looks like the rule's and gives nothing: one of the log where there is one (True), else one in which
    the rule's own is quoted (False). None where another rule's lines look alike: they show it."""
    literals = required_literals(rule.pattern)
    alike = [r for r in rules if r is not rule and any(x in r.shape.examples[0] for x in literals)]
    if any(re.search(rule.pattern, r.shape.examples[0]) is None for r in alike):
        return None
    for shape in others:
        line = shape.examples[0]
        if any(literal in line for literal in literals) and not _gives(pack, line):
            return line, True
    return f"it printed: {rule.shape.examples[0]}", False


def _telling(rules: Sequence[DraftRule], shapes: Iterable[LineShape]) -> list[str]:
    """Literals that may tell the framework: a script that the log names, and the longest that its first rules hold."""
    scripts = [m[0] for s in shapes for line in s.examples[:1] if (m := _SCRIPT.search(line)) is not None]
    pieces = [max(re.split(r"<\w+>", rule.shape.text), key=len).strip() for rule in rules[:3]]
    return list(dict.fromkeys(scripts[:1] + [text[:60] for text in pieces if len(text) >= 6]))


def _common_names(packs: Iterable[Pack]) -> dict[str, str]:
    """What the last words of native names mean in most packs: `grad_norm` → rl_grad_norm."""
    votes: dict[str, Counter[str]] = {}
    for pack in packs:
        for native, common in pack.catalogue.items():
            words = [w for w in re.split(r"[/*]", native) if w]
            if words:
                votes.setdefault(words[-1].lower(), Counter())[common] += 1
    return {word: counted.most_common(1)[0][0] for word, counted in votes.items()}
