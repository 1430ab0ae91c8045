"""The parts of docs/ that are made from the code, between `<!-- made: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rli_agent.reference.settings_table import table as settings_table
from rli_agent.reference.status_schema import schema as status_schema

#: NAME → the text that stands there.
PARTS: dict[str, Callable[[], str]] = {"settings": settings_table, "status-schema": status_schema}
_PART = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """A page with its made parts as the code says them. Raises KeyError for a part that nothing makes."""
    return _PART.sub(lambda m: f"{m[1]}{PARTS[m[2]]()}{m[3]}", page)


def renew(docs: Path) -> list[Path]:
    """Write the pages below `docs` anew; those that were stale."""
    stale = []
    for path in sorted(docs.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            stale.append(path)
    return stale
