"""A user's configuration laid over ours."""

from __future__ import annotations

from typing import Any


def merged(ours: Any, theirs: Any) -> Any:
    """Mappings are merged key by key, lists are joined, everything else is replaced."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {**ours, **{k: merged(ours[k], v) if k in ours else v for k, v in theirs.items()}}
    if isinstance(ours, list) and isinstance(theirs, list):
        return [*ours, *theirs]
    return theirs
