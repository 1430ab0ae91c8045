"""What two runs were told to do: their configurations, dotted path by dotted path."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.bundle.keys import is_secret
from rli_agent.discover import Found
from rli_agent.discover.configs import BadConfig, read_config
from rli_agent.logs.lines import shown
from rli_agent.terminal import plain

#: Settings of a run, characters of a value, and bytes of a log's beginning that are looked at.
_MOST, _VALUE, _HEAD = 20_000, 200, 1 << 18
#: Arguments as `argparse` shows them, which OpenRLHF, slime and others print: `Namespace(a=1, …)`, `Args(...)`.
_ARGUMENTS = re.compile(r"\b(?:Namespace|\w*(?:Args|Arguments|Config))\((?P<in>\w+=.*)\)\s*$")
#: What names a run or a place, and so differs anyway.
_NAMES = re.compile(r"(?i)(?:^|[._])(?:\w*name|project|experiment|run|group|dir|path|file|port|url|host|id|tags?)$")


class Setting(Struct, frozen=True):
    """A setting that differs; None where a run has none of this name. Secrets are not shown."""

    key: str
    a: str | None
    b: str | None


def settings_of(configs: Sequence[Path], logs: Sequence[Found]) -> dict[str, str]:
    """All settings, flat. Of several files of one name (a Hydra directory a start) the first one counts. Where there is
    no file, what the logs show of the arguments."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for path in configs:
        if path.name not in seen:
            try:
                data, _ = read_config(path)
            except BadConfig:
                continue
            seen.add(path.name)
            _add(found, path.stem, data)
    for file in logs if not found else ():
        for arguments in _arguments(file.path):
            _add(found, "args", arguments)
    return found


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[Setting]:
    """The settings that differ: figures and words first, paths and names, which differ anyway, last."""
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    return sorted((_setting(key, a.get(key), b.get(key)) for key in keys), key=_rank)


def _setting(key: str, a: str | None, b: str | None) -> Setting:
    name = key.rpartition(".")[2]
    if any(value is not None and is_secret(name, value) for value in (a, b)):
        a, b = (None if value is None else "[secret]" for value in (a, b))
    return Setting(key, a, b)


def _rank(setting: Setting) -> tuple[bool, bool, str]:
    values = [value for value in (setting.a, setting.b) if value is not None]
    names = _NAMES.search(setting.key) is not None or any("/" in value or len(value) > 60 for value in values)
    return names, len(values) < 2, setting.key


def _add(found: dict[str, str], prefix: str, data: Any) -> None:
    for key, value in _flat(prefix, data):
        if len(found) >= _MOST:
            return
        found.setdefault(key, value)


def _flat(prefix: str, data: Any) -> Iterator[tuple[str, str]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _flat(f"{prefix}.{plain(str(key))[:_VALUE]}", value)
    elif isinstance(data, list) and any(isinstance(one, dict | list) for one in data):
        for number, value in enumerate(data):
            yield from _flat(f"{prefix}.{number}", value)
    else:
        yield prefix, plain(str(data)).replace("\n", " ")[:_VALUE]


def _arguments(path: Path) -> Iterator[dict[str, Any]]:
    """The arguments that the first lines of a log show."""
    try:
        with path.open("rb") as file:
            lines = file.read(_HEAD).split(b"\n")
    except OSError:
        return
    for raw in lines:
        found = _ARGUMENTS.search(shown(raw)[1]) if b"(" in raw else None
        if found is None:
            continue
        try:
            call = ast.parse(f"f({found['in']})", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(call, ast.Call):
            yield {word.arg: _value(word.value) for word in call.keywords if word.arg is not None}


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, RecursionError):
        return ast.unparse(node)
