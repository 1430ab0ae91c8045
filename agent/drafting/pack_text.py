"""A drafted pack as YAML that people read and go on with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rli_agent.drafting.columns import DraftRule

_WORD = re.compile(r"[A-Za-z_][\w/.@-]*")
Examples = Mapping[str, Sequence[tuple[str, Sequence[Mapping[str, Any]]]]]


def pack_text(
    name: str, log: Path | None, schema: Path | None, telling: Sequence[str], rules: Sequence[DraftRule],
    examples: Examples, near: Mapping[str, tuple[str, bool] | None], common: Mapping[str, str],
) -> str:  # fmt: skip
    """The pack.

    schema: for editors. telling: literals that may tell the framework. examples: lines of each rule and what they give.
    near: a line that it must leave alone, and whether the log has it. common: last word of a native name → common
    metric, for hints.
    """
    lines: list[str] = []
    if schema is not None:
        lines += [f"# yaml-language-server: $schema={schema}"]
    lines += [f"pack: {quoted(name)}"]
    if log is not None:
        lines += list(_head(log, telling))
    lines += ["rules:"]
    for rule in rules:
        lines += _rule(rule)
    lines += list(_catalogue(rules, examples, common))
    if examples:
        lines += ["", "# Lines as they are printed, and all that each gives: check that it is right.", "examples:"]
        for rule in rules:
            for line, gives in examples[rule.id]:
                lines += [f"  - line: {quoted(line)}", f"    expect: [{', '.join(_expected(e) for e in gives)}]"]
            miss = near[rule.id]
            if miss is not None:
                made_up = "    # made up: better is a real line that looks alike and means something else"
                lines += [] if miss[1] else [made_up]
                lines += [f"  - line: {quoted(miss[0])}", f"    rule: {rule.id}", "    expect: []"]
    return "\n".join(lines) + "\n"


def _head(log: Path, telling: Sequence[str]) -> Iterator[str]:
    yield f"about: {quoted(f'drafted from {log.name}: give the name and version of the trainer')}"
    yield ""
    yield "# Literals that tell this framework's logs from others'; those of a file name or an import are surest."
    yield f"detect: [{', '.join(quoted(text) for text in telling)}]"
    yield "sources:"
    yield f"  - {{role: trainer, paths: [{quoted('**/' + re.sub(r'[0-9]+', '*', log.name))}]}}"
    yield ""
    yield "# One kind of line each; of several that match the first takes the line. See docs/rule-packs.md."


def _rule(rule: DraftRule) -> Iterator[str]:
    yield f"  - id: {rule.id}    # {rule.shape.count:,} lines, the first is {rule.shape.line}"
    yield f"    pattern: {quoted(rule.pattern)}"
    if isinstance(rule.pairs, tuple):
        yield f"    pairs: {{from: rest, between: {quoted(rule.pairs[0])}, assign: {quoted(rule.pairs[1])}}}"
    elif rule.pairs is not None:
        yield f"    pairs: {{from: rest, read: {rule.pairs}}}"
    else:
        columns = [c for c in rule.columns if c.group not in ("", "step", "total")]
        yield "    metrics:"
        for column in columns:
            metric = quoted(column.name)
            if column.unit:
                metric = f"{{name: {metric}, unit: {quoted(column.unit)}}}"
            yield f"      {column.group}: {metric}"
        if len(columns) == 1 and columns[0].unit in ("s", "ms"):
            yield "    # how long a state lasted? call the group `duration`; `state: save_ckpt` instead of metrics"
    if rule.total:
        yield "    facts: {total: max_steps}"


def _catalogue(rules: Sequence[DraftRule], examples: Examples, common: Mapping[str, str]) -> Iterator[str]:
    given = [event for rule in rules for _, gives in examples.get(rule.id, ()) for event in gives]
    names = dict.fromkeys(event["name"] for event in given if "name" in event)
    hints = [(n, common[word]) for n in names if (word := n.lower().rpartition("/")[2]) in common]
    if hints:
        yield ""
        yield "# Native name → common metric, by which dashboards and detectors know it: remove the # where it fits."
        yield "# catalogue:"
        for native, metric in hints:
            yield f"#   {quoted(native)}: {metric}"


def _expected(event: Mapping[str, Any]) -> str:
    if event["type"] == "problem":
        return f"{{kind: {event['kind']}}}"
    step = f", step: {event['step']}" if "step" in event else ""
    value = event["value"]
    return f"{{name: {quoted(event['name'])}{step}, value: {quoted(value) if isinstance(value, str) else value}}}"


def quoted(text: str) -> str:
    """A YAML scalar: plain where it is a word, else in single quotes."""
    if _WORD.fullmatch(text) and text.lower() not in ("true", "false", "null"):
        return text
    return "'" + text.replace("'", "''") + "'"
