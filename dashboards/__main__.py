"""`python -m rli_agent.dashboards`: write the dashboards' JSON anew. Needs grafana-foundation-sdk (Python 3.11)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from rli_agent.dashboards import FOLDER, agents, engines, framework, overview, rollouts, timeline

#: What Grafana 13 calls its form of dashboards; the SDK's is one older, and the same for all that we use.
SCHEMA = 42


def generated() -> dict[str, str]:
    """The text of every file, by its name."""
    found = {}
    for module in (overview, timeline, rollouts, engines, framework, agents):
        made: dict[str, Any] = json.loads(JSONEncoder().encode(module.dashboard().build()))
        made["schemaVersion"] = SCHEMA
        for number, panel in enumerate(made["panels"], 1):
            panel["id"] = number
        found[f"{made['uid']}.json"] = json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return found


def write(folder: Path) -> None:
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
