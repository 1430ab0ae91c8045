"""Runs of other machines on the page: those that a Prometheus knows."""

from __future__ import annotations

import threading
import time

from msgspec import Struct, json

from rli_agent.errors import UserError
from rli_agent.fleet.run import FleetRun, in_order

#: Seconds for which an answer of the Prometheus holds.
HELD = 5.0


class Fleet(Struct, frozen=True, omit_defaults=True):
    """All runs that the Prometheus of `rli-agent page --prometheus` heard of within a day, the one that needs somebody
    first; none without it. error: why it cannot tell."""

    runs: list[FleetRun] = []
    error: str = ""


class Elsewhere:
    """Asks a Prometheus, at `url`, on behalf of any number of pages."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._told: tuple[float, bytes] | None = None

    def fleet(self) -> bytes:
        """A Fleet as JSON."""
        if self._url is None:
            return json.encode(Fleet())
        with self._lock:
            if self._told is None or time.monotonic() - self._told[0] > HELD:
                told = json.encode(self._ask(self._url))
                self._told = (time.monotonic(), told)
            return self._told[1]

    def _ask(self, url: str) -> Fleet:
        from rli_agent.fleet.prometheus import runs_of_prometheus  # here: it brings an HTTP client with it

        now = time.time()
        try:
            return Fleet(in_order(runs_of_prometheus(url, now), now))
        except UserError as error:
            return Fleet(error=str(error))
