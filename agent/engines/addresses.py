"""Where a run's engines listen: addresses in what its files say, and which of them may be asked."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from rli_agent.discover.configs import BadConfig, read_config
from rli_agent.publish.listen import reached, shown

_ADDRESS = re.compile(r"(?:(https?)://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?):(\d{2,5})(?!\d)")
#: Jobs of a Prometheus configuration that verl (0.6.1 and later) and RL-Insight write for a run's servers.
_JOBS = frozenset({"rollout", "vllm", "sglang", "router", "transfer_queue"})


class Address(Struct, frozen=True, order=True):
    """A server's page of metrics. given: by the user, who may name any host."""

    host: str
    port: int
    scheme: str = "http"
    path: str = "/metrics"
    given: bool = False

    @property
    def name(self) -> str:
        """HOST:PORT, as series are labelled."""
        return shown(self.host, self.port)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}{self.path}"


def given_address(url: str) -> Address:
    """What `--engine` says: a URL or HOST:PORT. Raises ValueError."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("not an address; give http://HOST:PORT or HOST:PORT")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = parts.path if parts.path not in ("", "/") else "/metrics"
    return Address(reached(parts.hostname), port, parts.scheme, path, given=True)


def addresses_in(text: str) -> Iterator[Address]:
    """All HOST:PORT and http://HOST:PORT in what a log line says of its servers."""
    for scheme, host, port in _ADDRESS.findall(text[:20_000]):
        named = scheme or "." in host or host == "localhost" or host.startswith("[")
        if named and 0 < int(port) < 65_536:
            yield Address(reached(host.strip("[]").lower()), int(port), scheme or "http")


def addresses_of_prometheus(path: Path) -> Iterator[Address]:
    """The servers that a Prometheus configuration, made by the run, lists. None where it cannot be read."""
    try:
        configuration, _ = read_config(path)
    except BadConfig:
        return
    jobs = configuration.get("scrape_configs")
    for job in jobs if isinstance(jobs, list) else ():
        if not isinstance(job, dict) or job.get("job_name") not in _JOBS:
            continue
        groups = job.get("static_configs")
        for group in groups if isinstance(groups, list) else ():
            targets = group.get("targets") if isinstance(group, dict) else None
            for target in targets if isinstance(targets, list) else ():
                yield from addresses_in(str(target))


def to_ask(address: Address) -> list[str]:
    """The IP addresses at which a server may be asked. Raises OSError where its name leads nowhere or, unless the user
    gave it, out of the machine's own networks: a log is no authority on whom the agent talks to."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)]
    if not address.given and not all(map(_is_near, found)):
        raise OSError("it is neither on this machine nor in a private network; name it with --engine to ask it")
    return found


def _is_near(ip: str) -> bool:
    known = ipaddress.ip_address(ip.partition("%")[0])
    return known.is_loopback or (known.is_private and not known.is_link_local)
