"""The text of a configuration file, parsed: TOML, JSON or YAML."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import yaml

_TOML = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Levels of nesting in YAML; configurations have ten.
MAX_DEPTH = 100


def parsed(text: str, suffix: str) -> Any:
    """What a file with this suffix says; what is neither `.toml` nor `.json` is YAML. Raises ValueError, or
    RecursionError where it is nested too deep."""
    if suffix == ".toml":
        return _TOML.loads(text)
    if suffix == ".json":
        return json.loads(text)
    try:
        _bound(text)
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as e:
        raise ValueError(str(e)) from None


def _bound(text: str) -> None:
    """Raise ValueError for YAML nested so deep that libyaml's loader would overflow the process's stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
