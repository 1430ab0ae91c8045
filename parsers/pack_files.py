"""Rule packs read from YAML, and all that their types cannot say checked."""

from __future__ import annotations

from pathlib import Path

from rli_agent.parsers.packs import Pack
from rli_agent.parsers.typed_yaml import Document, TypedYamlError, read_typed


class PackError(Exception):
    """A pack that cannot be used. str() is `FILE:LINE:COLUMN: what is wrong; the mend`."""


def load_pack(path: Path, *, trusted: bool = False) -> Pack:
    """Read one pack. Raises PackError; never anything else for what a file can hold.

    trusted: it ships with the package, and tests have held it against all that is checked here beside its form. Its
    examples are left out.
    """
    return read_pack(path, trusted=trusted).value


def read_pack(path: Path, *, trusted: bool = False) -> Document[Pack]:
    """Like load_pack; the document knows where in the file each thing stands."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise PackError(f"{path}:1:1: not UTF-8 text (byte {e.start}); save the file as UTF-8") from None
    except OSError as e:
        raise PackError(f"{path}: cannot be read: {e.strerror or e}") from None
    return _document(text, str(path), trusted=trusted)


def parse_pack(text: str, name: str) -> Pack:
    """Like load_pack, from text; `name` stands in messages."""
    return _document(text, name, trusted=False).value


def _document(text: str, name: str, *, trusted: bool) -> Document[Pack]:
    try:
        if trusted:  # the examples come last, and are half of the work
            text = text.partition("\nexamples:\n")[0]
        document = read_typed(text, name, Pack, quote="patterns", trusted=trusted)
        if not trusted:
            _check(document)
    except TypedYamlError as e:
        raise PackError(str(e)) from None
    return document


def _check(document: Document[Pack]) -> None:
    """What the types cannot say: patterns compile, ids are unique, groups that are named exist."""
    import regex

    pack, fail = document.value, document.error

    seen: set[str] = set()
    for i, rule in enumerate(pack.rules):
        at = f".rules[{i}]"
        if rule.id in seen:
            raise fail(at + ".id", f"a second rule with id `{rule.id}`; ids are unique in a pack")
        seen.add(rule.id)
        try:
            groups = set(regex.compile(rule.pattern).groupindex)
        except (regex.error, RecursionError) as e:
            raise fail(at + ".pattern", f"the pattern of `{rule.id}` does not compile: {e}") from None
        for key in ("unless", "block"):
            try:
                regex.compile(getattr(rule, key) or "")
            except regex.error as e:
                raise fail(f"{at}.{key}", f"`{key}` of `{rule.id}` does not compile: {e}") from None
        used = [*rule.metrics, *rule.sets, *rule.facts, *rule.labels, *([rule.pairs.source] if rule.pairs else [])]
        for group in used:
            if group not in groups:
                have = ", ".join(sorted(groups)) or "none"
                raise fail(
                    at, f"rule `{rule.id}` uses the group `{group}`, which its pattern does not have (it has: {have})"
                )
    for i, spec in enumerate(pack.records):
        for label, pattern in spec.labels.items():
            try:
                groups_of_label = regex.compile(pattern).groups
            except regex.error as e:
                raise fail(f".records[{i}].labels", f"the pattern of `{label}` does not compile: {e}") from None
            if groups_of_label != 1:
                raise fail(
                    f".records[{i}].labels", f"the pattern of `{label}` needs one group: what the label is to be"
                )
    for i, source in enumerate(pack.sources):
        try:
            regex.compile(source.labels or "")
        except regex.error as e:
            raise fail(f".sources[{i}].labels", f"`labels` does not compile: {e}") from None
    for where, pattern in [*((f".strip[{i}]", s) for i, s in enumerate(pack.strip)), (".tag", pack.tag or "")]:
        try:
            regex.compile(pattern)
        except regex.error as e:
            raise fail(where, f"the pattern does not compile: {e}") from None
    for i, skip in enumerate(pack.skip):
        for key in ("start", "end"):
            try:
                regex.compile(getattr(skip, key))
            except regex.error as e:
                raise fail(f".skip[{i}].{key}", f"`{key}` does not compile: {e}") from None
