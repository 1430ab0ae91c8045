"""RL-Insight's own variables, which a machine that trains may have set already. The agent's own settings go before
them.

`RL_INSIGHT_SERVER_URL` names an RL-Insight server (0.3.0, port 18080), which says where it takes spans. Before 0.3.0
there was `RL_INSIGHT_SERVICE_IP` with `RL_INSIGHT_OTEL_PORT` (OTLP/HTTP, default 4318) and `RL_INSIGHT_PROMETHEUS_PORT`
(Prometheus' own HTTP port, default 9090, for its reload).
"""

from __future__ import annotations

from collections.abc import Mapping

from rli_agent.settings.config_file import Given

SERVER_URL = "RL_INSIGHT_SERVER_URL"
SERVICE_IP = "RL_INSIGHT_SERVICE_IP"
OTEL_PORT = "RL_INSIGHT_OTEL_PORT"
PROMETHEUS_PORT = "RL_INSIGHT_PROMETHEUS_PORT"
_DEFAULT_OTEL_PORT = "4318"


def from_rl_insight(environment: Mapping[str, str]) -> dict[str, Given]:
    """Settings that follow from RL-Insight's variables, by key."""
    server, host, port = (environment.get(name, "").strip() for name in (SERVER_URL, SERVICE_IP, OTEL_PORT))
    if server:
        return {"otlp_endpoint": Given(server, SERVER_URL)}
    if not host:
        return {}
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    origin = f"{SERVICE_IP}, {OTEL_PORT}" if port else SERVICE_IP
    endpoint = f"http://{host}:{port or _DEFAULT_OTEL_PORT}"
    return {"otlp_endpoint": Given(endpoint, origin), "span_layout": Given("flat", SERVICE_IP)}


def unused(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of RL-Insight that are set and change nothing here → why."""
    told = {}
    if environment.get(SERVER_URL) and environment.get(SERVICE_IP):
        told[SERVICE_IP] = f"{SERVER_URL} is set, which goes before it"
    elif environment.get(OTEL_PORT) and not environment.get(SERVICE_IP):
        told[OTEL_PORT] = f"it needs {SERVICE_IP}"
    if environment.get(PROMETHEUS_PORT):
        told[PROMETHEUS_PORT] = "the agent calls no Prometheus; point its scrape at the agent's /metrics"
    return told
