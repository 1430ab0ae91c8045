"""Facts that a run's configuration files state: how many steps, which model, which project."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: Bytes of a configuration file beyond which it is not read.
MAX_CONFIG = 1 << 20


class ConfigFact(NamedTuple):
    """key is the fact's name (max_steps, model …), line counts from 1 (1 where the key's own line was not found)."""

    key: str
    value: str
    file: Path
    line: int


class BadConfig(ValueError):
    """A configuration file that cannot be read; str() says why."""


def read_config(path: Path) -> tuple[dict[str, Any], str]:
    """A TOML, YAML or JSON file's content and its text. Raises BadConfig, never anything else."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(MAX_CONFIG + 1)
    except OSError as e:
        raise BadConfig(f"cannot be read: {e.strerror or e}") from None
    if len(raw) > MAX_CONFIG:
        raise BadConfig(f"larger than {MAX_CONFIG >> 20} MiB")
    from rli_agent.discover.config_text import parsed  # here: most runs leave none, and the parsers take a while

    try:
        text = raw.decode()
        data = parsed(text, path.suffix)
    except (ValueError, RecursionError) as e:
        first = (str(e).splitlines() or [type(e).__name__])[0]
        raise BadConfig(f"not valid {path.suffix[1:].upper()}: {first}") from None
    return (data if isinstance(data, dict) else {}), text


def config_facts(
    paths: Iterable[Path], wanted: Mapping[str, Sequence[str]], broken: dict[Path, str] | None = None
) -> list[ConfigFact]:
    """Each fact once: from the first of its dotted paths that a file states, and the first file that does.

    wanted: a pack's `configs`. In a path `*` stands for each item of a list or table, whose values are joined by
    commas, and `a|b` for the key `a` or, where there is none, `b`. Values that are null, negative (verl writes -1 for
    "not set") or still hold an interpolation (`${…}`) state nothing. Files that cannot be read are put into `broken`
    with the reason.
    """
    read: list[tuple[Path, dict[str, Any], str]] = []
    facts = []
    for path in paths:
        try:
            read.append((path, *read_config(path)))
        except BadConfig as e:
            if broken is not None:
                broken[path] = str(e)
    for key, places in wanted.items():
        found = ((path, place, _at(data, place), text) for place in places for path, data, text in read)
        stated = next((f for f in found if _states(f[2])), None)
        if stated is not None:
            path, place, value, text = stated
            facts.append(ConfigFact(key, str(value), path, _line(text, place)))
    return facts


def setting(paths: Iterable[Path], places: Sequence[str]) -> tuple[Any, Path, int] | None:
    """What the first of these configuration files says at the first dotted path that any of them has: value, file,
    line. None where none has one, or none can be read."""
    for path in paths:
        try:
            data, text = read_config(path)
        except BadConfig:
            continue
        for place in places:
            holder, _, key = place.rpartition(".")
            table = _at(data, holder) if holder else data
            if isinstance(table, dict) and key in table:
                return table[key], path, _line(text, place)
    return None


def _at(data: Any, place: str) -> Any:
    """The value at a dotted path; those below a `*`, each once, as one text."""
    head, _, rest = place.partition(".")
    if head == "*":
        items = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
        found = [_at(item, rest) if rest else item for item in items]
        return ", ".join(dict.fromkeys(str(value) for value in found if _states(value)))
    key = next((k for k in head.split("|") if isinstance(data, dict) and data.get(k) is not None), None)
    value = data[key] if key is not None else None
    return _at(value, rest) if rest else value


def _states(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip()) and "${" not in value
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _line(text: str, place: str) -> int:
    """The line on which the last key of a dotted path stands: each key is looked for after the one that holds it."""
    lines = text.splitlines()
    *holders, key = [part for part in place.split(".") if part != "*"]
    key = max(key.split("|"), key=text.count)
    at = 0
    table = re.compile(r"\s*\[\[?\s*" + r"\s*\.\s*".join(re.escape(h) for h in holders) + r"\s*\]")
    header = next((i for i, line in enumerate(lines) if holders and table.match(line)), None)
    if header is not None:
        at = header + 1
    else:
        for holder in holders:
            at = _find(lines, holder, at)
    return min(_find(lines, key, at), len(lines)) or 1


def _find(lines: Sequence[str], key: str, start: int) -> int:
    """The number (from 1) of the first line from index `start` on that sets the key; `start` where there is none."""
    sets = re.compile(rf"""[\s{{,]*["']?{re.escape(key)}["']?\s*[:=]""")
    return next((i + 1 for i, line in enumerate(lines[start:], start) if sets.match(line)), start)
