"""What a file's path says: `path:` and a pattern with named groups, where a pack wants a step or a phase."""

from __future__ import annotations

import re
from collections.abc import Iterable


def path_fields(texts: Iterable[str], path: str) -> dict[str, str]:
    """The groups of those texts that are such patterns, found in the path."""
    found: dict[str, str] = {}
    for text in texts:
        if text.startswith("path:"):
            match = re.search(text[5:], path)
            found |= {k: v for k, v in match.groupdict().items() if v} if match else {}
    return found


def path_step(fields: dict[str, str]) -> int | None:
    """The step that a path says."""
    return int(fields["step"]) if fields.get("step", "").isdecimal() else None
