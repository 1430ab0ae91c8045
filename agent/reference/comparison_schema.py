"""The JSON Schema in docs/compare.md, from the structs that `rli-agent compare --json` prints."""

from __future__ import annotations

from rli_agent.compare.comparison import Comparison
from rli_agent.reference.status_schema import schema_of


def schema() -> str:
    """The schema as a block of Markdown, one definition a line."""
    return schema_of(Comparison)
