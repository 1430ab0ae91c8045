"""Prometheus: its configuration file and its command line.

Facts: `out_of_order_time_window` is of 2.39, `storage.exemplars` of 2.29 behind a feature flag, the remote-write
receiver's own flag of 2.33. Retention as a flag is deprecated in 3.14 and still taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rli_agent.server.configure.merge import merged
from rli_agent.server.configure.settings import PrometheusSettings
from rli_agent.server.locate import Installed
from rli_agent.server.places import Places
from rli_agent.server.targets import JOB
from rli_agent.server.version import Version

#: Steps that were logged before the agent was attached are sent with their own times.
LATE = "30d"


def render(
    settings: PrometheusSettings, version: Version, port: int, places: Places, rules: list[Path],
    alertmanager: str | None = None,
) -> str:  # fmt: skip
    """prometheus.yml. Agents of this machine and their targets are found by file. `alertmanager`: HOST:PORT of one that
    is told of alerts."""
    ours: dict[str, Any] = {
        "global": {"scrape_interval": settings.scrape_interval, "evaluation_interval": settings.scrape_interval},
        "rule_files": [str(r) for r in rules],
        "scrape_configs": [
            {"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
            {
                "job_name": JOB,
                "honor_labels": True,  # the agent's labels say which run it is; they stay as they are
                "file_sd_configs": [{"files": [str(places.targets / "*.json")], "refresh_interval": "5s"}],
            },
        ],
    }
    if alertmanager is not None:
        ours["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    if version >= (2, 39, 0):
        ours["storage"] = {"tsdb": {"out_of_order_time_window": LATE}}
    return yaml.safe_dump(merged(ours, settings.extra), sort_keys=False)


def command(settings: PrometheusSettings, it: Installed, config: Path, data: Path, listen: str) -> list[str]:
    line = [
        str(it.binary),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={settings.retention}",
        f"--web.listen-address={listen}",
        "--web.enable-lifecycle",
    ]
    if settings.retention_size is not None:
        line.append(f"--storage.tsdb.retention.size={settings.retention_size}")
    if it.version >= (2, 33, 0):
        line.append("--web.enable-remote-write-receiver")
    else:
        line.append("--enable-feature=remote-write-receiver")
    return [*line, *settings.arguments]
