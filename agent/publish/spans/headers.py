"""Headers that go along with spans, and which of OpenTelemetry's own are meant for the receiver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rli_agent.journal import logger
from rli_agent.publish.headers import of_file, of_variable, warn_if_open

VARIABLE = "RLI_AGENT_OTLP_HEADERS"
#: OpenTelemetry's own (specification 1.39, OTLP exporter), the one for spans before the one for everything.
STANDARD = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
STANDARD_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def headers_for(endpoint: str, file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers for this endpoint: the file's, else those of RLI_AGENT_OTLP_HEADERS, else OpenTelemetry's standard
    ones, unless the environment names another receiver than `endpoint` for those. Raises UserError, which does not
    show what cannot be read."""
    headers: dict[str, str] = {}
    if file is not None:
        headers = of_file(file, "spans")
    else:
        name = next((n for n in (VARIABLE, *STANDARD) if environment.get(n, "").strip()), None)
        if name is not None and (name == VARIABLE or _is_meant(endpoint, environment)):
            headers = of_variable(environment[name], name, "spans")
    warn_if_open(headers, endpoint, "spans")
    return headers


def _is_meant(endpoint: str, environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's headers are for this endpoint: a trainer's own telemetry may go elsewhere."""
    named = next((environment[n] for n in STANDARD_ENDPOINTS if environment.get(n, "").strip()), None)
    if named is None or urlsplit(named.strip()).netloc == urlsplit(endpoint.strip()).netloc:
        return True
    logger.info("spans: the headers in {} are left to the receiver that the environment names for them", STANDARD[1])
    return False
