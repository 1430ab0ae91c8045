"""Reference texts that are made from the code: parts of docs/, between `<!-- made: NAME -->` and `<!-- end -->`, and
the schema of rule packs, and the detectors' rules for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rli_agent.answer.report import Report
from rli_agent.compare.comparison import Comparison
from rli_agent.reference.api_table import answers, questions
from rli_agent.reference.detector_pages import derived, detectors
from rli_agent.reference.detector_rules import text as detector_rules
from rli_agent.reference.metrics_tables import common_metrics, native_metrics, own_metrics, switches
from rli_agent.reference.pack_schema import schema as pack_schema
from rli_agent.reference.settings_table import table as settings_table
from rli_agent.reference.struct_schema import schema_of

#: NAME → the text that stands there.
PARTS: dict[str, Callable[[], str]] = {
    "api questions": questions,
    "api answers": answers,
    "settings": settings_table,
    "detectors": detectors,
    "derived series": derived,
    "status-schema": partial(schema_of, Report),
    "comparison-schema": partial(schema_of, Comparison),
    "common metrics": common_metrics,
    "own metrics": own_metrics,
    "native metrics": native_metrics,
    "switches": switches,
}
_PART = re.compile(r"(<!-- made: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """Each file below the repository's root that is made, wholly or in part, with the text that it should have. Raises
    KeyError for a part that nothing makes."""
    for path in sorted((root / "docs").glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if _PART.search(page):
            yield path, _PART.sub(lambda m: f"{m[1]}{PARTS[m[2]]()}{m[3]}", page)
    yield root / "rules" / "pack.schema.json", pack_schema()
    yield root / "dashboards" / "rli-agent-detectors.rules.yml", detector_rules()


def stale(root: Path) -> dict[Path, str]:
    """The files that are not as the code says → what they should hold."""
    return {path: text for path, text in made(root) if not path.exists() or path.read_text(encoding="utf-8") != text}
