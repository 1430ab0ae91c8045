"""Headers that go along with spans: credentials of a receiver that wants some. They come from a file or the
environment, never from the command line, which others see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loguru import logger

from rli_agent.errors import UserError
from rli_agent.publish.spans.endpoint import is_loopback

VARIABLE = "RLI_AGENT_OTLP_HEADERS"
#: OpenTelemetry's own (specification 1.39, OTLP exporter), the one for spans before the one for everything.
STANDARD = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
STANDARD_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\x20-\x7e\t]{0,8192}")
#: What the protocol itself says.
_TAKEN = frozenset({"content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"})


def headers_for(endpoint: str, file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers for this endpoint: the file's, else those of RLI_AGENT_OTLP_HEADERS, else OpenTelemetry's standard
    ones, unless the environment names another receiver than `endpoint` for those. Raises UserError, which does not
    show what cannot be read."""
    headers: dict[str, str] = {}
    if file is not None:
        headers = _of(_lines(file), str(file), "one `Name: value` a line")
    else:
        name = next((n for n in (VARIABLE, *STANDARD) if environment.get(n, "").strip()), None)
        if name is not None and (name == VARIABLE or _is_meant(endpoint, environment)):
            headers = _of(_pairs(environment[name]), name, "name=value,name=value")
    if headers and urlsplit(endpoint).scheme == "http" and not is_loopback(endpoint):
        logger.warning("spans: their headers go to {} without encryption", urlsplit(endpoint).hostname)
    return headers


def _is_meant(endpoint: str, environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's headers are for this endpoint: a trainer's own telemetry may go elsewhere."""
    named = next((environment[n] for n in STANDARD_ENDPOINTS if environment.get(n, "").strip()), None)
    if named is None or urlsplit(named.strip()).netloc == urlsplit(endpoint.strip()).netloc:
        return True
    logger.info("spans: the headers in {} are left to the receiver that the environment names for them", STANDARD[1])
    return False


def _lines(file: Path) -> list[tuple[str, str, str]]:
    """(place, name, value) of each line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is no text"
        raise UserError(f"the headers for spans cannot be read from {file}: {reason}") from None
    return [
        (f"line {number}", *_split(line, ":"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _pairs(text: str) -> list[tuple[str, str, str]]:
    """The same of `name=value,name=value`, URL-encoded as the standard has it."""
    parts = [part for part in text.split(",") if part.strip()]
    split = [_split(part, "=") for part in parts]
    return [(f"part {i}", unquote(name), unquote(value)) for i, (name, value) in enumerate(split, 1)]


def _split(text: str, sign: str) -> tuple[str, str]:
    name, _, value = text.partition(sign)
    return name.strip(), value.strip()


def _of(read: Iterable[tuple[str, str, str]], origin: str, form: str) -> dict[str, str]:
    headers = {}
    for place, name, value in read:
        if not _NAME.fullmatch(name) or not value or not _VALUE.fullmatch(value):
            raise UserError(f"{origin}, {place}: no header that could be sent with spans", f"it has the form {form}")
        if name.lower() in _TAKEN:
            raise UserError(f"{origin}, {place}: `{name}` is not for you to set", "leave it out")
        headers[name] = value
    return headers
