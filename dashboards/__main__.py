"""`python -m rli_agent.dashboards [FOLDER]`: write the dashboards' JSON. Needs grafana-foundation-sdk, which needs
Python 3.11.

`python -m rli_agent.dashboards preview [--prometheus URL] [--minutes N] [FOLDER]`: draw each into a PNG in
`build/preview`, with what that Prometheus says of the last minutes, or else with sample runs. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from rli_agent.dashboards import FOLDER, agents, engines, framework, overview, rollouts, timeline
from rli_agent.dashboards.preview.showing import preview
from rli_agent.errors import UserError

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


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] != ["preview"]:
        write(Path(arguments[0]) if arguments else FOLDER)
        return 0
    parser = argparse.ArgumentParser("python -m rli_agent.dashboards preview")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/preview"))
    parser.add_argument("--prometheus", metavar="URL")
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args(arguments[1:])
    try:
        return preview(asked.folder, asked.prometheus, asked.minutes)
    except UserError as error:
        print(f"error: {error}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
