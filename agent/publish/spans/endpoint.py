"""Where spans go, and whether an RL-Insight server is behind it."""

from __future__ import annotations

import json
from urllib.parse import urlsplit, urlunsplit

import requests
from msgspec import Struct

from rli_agent.publish.address import checked_url

PATH = "/v1/traces"
#: Where an RL-Insight server listens unless told otherwise (RL-Insight 0.3.0), and what it answers with its ports.
SERVER_PORT = 18080
SERVICES = "/api/v1/services"
#: Seconds to wait for its answer.
WAIT = 2.0


class Endpoint(Struct, frozen=True):
    """`traces` is the URL that takes spans. `rl_insight`: an RL-Insight server shows them."""

    traces: str
    rl_insight: bool


def checked(text: str) -> str:
    """The URL, if spans could be sent there. Raises ValueError, with what to do, if not."""
    return checked_url(text, "spans", "http://127.0.0.1:4318")


def traces_url(url: str) -> str:
    """`url` with the path of OTLP/HTTP for spans, unless it has it."""
    parts = urlsplit(url)
    path = parts.path if parts.path.endswith(PATH) else parts.path + PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def recognise(session: requests.Session, url: str) -> Endpoint:
    """Asks who is there.

    An RL-Insight server's own URL is taken too: it names the port for spans. Behind a port for spans is an RL-Insight
    server when one on the same host names that port. Raises requests.RequestException when nobody is at `url`.
    """
    parts = urlsplit(url)
    if not parts.path:
        port = span_port(session, url)
        if port is not None:
            return Endpoint(traces_url(with_port(url, "http", port)), True)
    traces = traces_url(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        behind = parts.port != SERVER_PORT and span_port(session, with_port(url, "http", SERVER_PORT)) == port
    except requests.RequestException:
        behind = False
    return Endpoint(traces, behind)


def with_port(url: str, scheme: str, port: int) -> str:
    host = urlsplit(url).hostname or ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def span_port(session: requests.Session, server: str) -> int | None:
    """The port for spans that an RL-Insight server at this URL names; None when it is none."""
    with session.get(server + SERVICES, timeout=WAIT, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            return None
        try:
            said = json.loads(answer.raw.read(65536, decode_content=True))
        except ValueError:
            return None
    port = said.get("otlp_port") if isinstance(said, dict) and said.get("status") == "ok" else None
    return port if isinstance(port, int) and 0 < port < 65536 else None
