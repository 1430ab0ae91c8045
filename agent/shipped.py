"""YAML that ships with the agent. What comes of it is kept in the user's cache, as Python keeps byte code: to read it
anew takes an eighth of the agent's start."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec

import rli_agent.parsers
import rli_agent.rules
from rli_agent.parsers.typed_yaml import read_typed

T = TypeVar("T")


def packaged_rules() -> Path:
    """The folder of what ships."""
    return Path(rli_agent.rules.__path__[0])


def shipped(name: str, kind: type[T], read: Callable[[], T] | None = None) -> T:
    """What `read` makes of the file `name` of that folder, or made of the same text with the same code before. Without
    `read`: the struct `kind`, as the text stands there.

    A cache that cannot be read or written is done without.
    """
    read = read or partial(_read, name, kind)
    try:
        kept = _cache(name, kind)
    except (OSError, RuntimeError):  # there is no such file, or no home
        return read()
    try:
        return msgspec.msgpack.decode(kept.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        value = read()
    _keep(kept, msgspec.msgpack.encode(value))
    return value


def _read(name: str, kind: type[T]) -> T:
    text = (packaged_rules() / name).read_text(encoding="utf-8")
    return read_typed(text, f"rli_agent/rules/{name}", kind, trusted=True).value


def _cache(name: str, kind: type[T]) -> Path:
    """Where it is kept: under a name that is another one where the text or the code is."""
    digest = blake2b(repr(sys.version_info).encode(), digest_size=16)
    parsers = Path(rli_agent.parsers.__path__[0])
    code = [parsers / file for file in ("typed_yaml.py", "typed_yaml_reading.py", "literals.py")]
    for file in (packaged_rules() / name, Path(sys.modules[kind.__module__].__file__ or ""), *code):
        digest.update(file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "rli-agent" / f"{name}.{digest.hexdigest()}"


def _keep(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in path.parent.glob(f"{path.stem}.*"):
            old.unlink(missing_ok=True)
        fresh.write_bytes(data)
        fresh.replace(path)
