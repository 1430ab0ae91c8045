"""Alertmanager: its configuration file and its command line.

Facts (0.25): without a cluster address it opens no second port; a route wants a receiver, which may have nobody to
tell; durations on the command line know no days.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rli_agent.server.configure.merge import merged
from rli_agent.server.configure.settings import AlertmanagerSettings, hours
from rli_agent.server.locate import Installed


def render(settings: AlertmanagerSettings) -> str:
    """alertmanager.yml: alerts of a run together; told to nobody unless the user's settings name somebody."""
    ours: dict[str, Any] = {
        "route": {"receiver": "shown", "group_by": ["project", "experiment_name", "run"], "group_wait": "10s"},
        "receivers": [{"name": "shown"}],
    }
    return yaml.safe_dump(merged(ours, settings.extra), sort_keys=False)


def command(settings: AlertmanagerSettings, it: Installed, config: Path, data: Path, listen: str) -> list[str]:
    return [
        str(it.binary),
        f"--config.file={config}",
        f"--storage.path={data}",
        f"--data.retention={hours(settings.retention):g}h",
        f"--web.listen-address={listen}",
        "--cluster.listen-address=",
    ]
