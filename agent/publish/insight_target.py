"""Tells an RL-Insight server where it can scrape this agent.

RL-Insight 0.3.0: POST /api/v1/prometheus/targets with a job name and targets; its dashboards look at the job
`trainer_metrics`. There is no call that takes a target away again.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from rli_agent.journal import logger
from rli_agent.publish.address import is_loopback
from rli_agent.publish.listen import reached, shown
from rli_agent.publish.spans.endpoint import SERVER_PORT, span_port, with_port

TARGETS = "/api/v1/prometheus/targets"
JOB = "trainer_metrics"
#: Seconds to wait for an answer, and between two tries: twice as long each time, up to the second.
WAIT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0


class InsightTarget:
    """Registers the agent once, in a thread of its own, with the server behind `url` if that is an RL-Insight server.

    `host`, `port`: where /metrics is served. `say` prints for people.
    """

    def __init__(self, url: str, host: str, port: int, say: Callable[[str], None]) -> None:
        self._url = url.strip().rstrip("/")
        self._host = host
        self._port = port
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rl-insight", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End; what is under way is not waited for."""
        self._stop.set()

    def _work(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                self._register()
                return
            except (requests.RequestException, OSError) as e:
                logger.debug("not registered with {}: {}", self._url, e)
            self._stop.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _register(self) -> None:
        """Raises requests.RequestException where nobody answers, or not well."""
        with requests.Session() as session:
            session.trust_env = not is_loopback(self._url)  # no proxy leads to this machine
            server = _server(session, self._url)
            if server is None:
                return
            target = _target(self._host, self._port, server)
            if target is None:
                at = shown(self._host, self._port)
                self._say(
                    f"the RL-Insight server at {server} cannot scrape {at}, which only this machine reaches: "
                    f"give --listen 0.0.0.0:{self._port} to open it"
                )
                return
            body = {"job_name": JOB, "targets": [target]}
            with session.post(server + TARGETS, json=body, timeout=WAIT, allow_redirects=False) as answer:
                answer.raise_for_status()
            self._say(f"the RL-Insight server at {server} scrapes {target}")


def _server(session: requests.Session, url: str) -> str | None:
    """The RL-Insight server that this URL is, or that stands beside this port for spans; None where there is none.
    Raises requests.RequestException where nobody is at the URL at all."""
    parts = urlsplit(url)
    if not parts.path and span_port(session, url) is not None:
        return url
    beside = with_port(url, "http", SERVER_PORT)
    try:
        return beside if parts.port != SERVER_PORT and span_port(session, beside) == parts.port else None
    except requests.RequestException:
        return None


def _target(host: str, port: int, server: str) -> str | None:
    """Where the server reaches what listens at this address; None where it cannot."""
    if is_loopback(server):
        return shown(reached(host), port)
    address = ipaddress.ip_address(host)
    if address.is_loopback:
        return None
    return shown(_own_address(server) if address.is_unspecified else host, port)


def _own_address(server: str) -> str:
    """The address of this machine on the way to the server. Nothing is sent."""
    parts = urlsplit(server)
    family, kind, proto, _, address = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, proto) as sock:
        sock.connect(address)
        return str(sock.getsockname()[0])
