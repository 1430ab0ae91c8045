"""`rl_insight.utils`: where a trainer's own pages of metrics are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rli_agent.api.process import fact


def update_prometheus_config(
    server_addresses: list[str],
    job_name: str | None = None,
    labels: list[Mapping[str, Any] | None] | None = None,
) -> None:
    """Tell the agent of engines (`HOST:PORT`): it asks them for their metrics itself, and names them to Prometheus.
    Their job and labels are the agent's."""
    del job_name, labels
    fact("engine_addresses", " ".join(f"http://{address}" for address in server_addresses))
