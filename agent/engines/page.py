"""One server's page of metrics: fetched within bounds, and turned into events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from rli_agent.engines.addresses import Address, to_ask
from rli_agent.engines.quantities import PERCENT, Values, figures, role_of, values_of
from rli_agent.events import Samples, Shape, Source, as_printed

#: Seconds for a connection and for each answer of the network; seconds for the whole page, and its bytes.
PATIENCE, LONGEST, MOST = 3.0, 6.0, 8 << 20

#: Makes the shape of a line of figures from names, units and labels.
ShapeOf = Callable[[tuple[str, ...], tuple[str | None, ...], Mapping[str, str]], Shape]


class NoPage(Exception):
    """There is no page of metrics, or none of a server that is known. str() says why."""


class Page:
    """The page of one server, and what it said last. Times are Unix seconds; `alone`: no other server is asked."""

    def __init__(self, address: Address, shape_of: ShapeOf) -> None:
        self.address = address
        self.source = Source(address.url, "inference", "inference")
        self._shape_of = shape_of
        self._before: Values = {}
        self._at = 0.0

    def look(self, alone: bool) -> list[Samples]:
        """Ask the server. Raises NoPage."""
        text = fetch(self.address)
        now = time.time()
        try:
            said_now = values_of(text)
        except ValueError as e:
            raise NoPage(f"its answer is not a page of metrics: {str(e)[:100]}") from None
        if not said_now:
            raise NoPage("its page shows no engine, router or queue that is known")
        role = role_of(said_now)
        self.source = Source(self.address.url, role, role)
        before, seconds = self._before, now - self._at
        self._before, self._at = said_now, now
        found = []
        for part, said in sorted(said_now.items()):
            told = dict(figures(said, before.get(part, {}), seconds))
            if told:
                names = tuple(told)
                units = tuple("percent" if name in PERCENT else None for name in names)
                # of a lone server the parts are called as its log lines call them
                engine = part if alone else f"{self.address.name}/{part}".removesuffix("/")
                labels = {"role": role} | ({"engine": engine} if engine else {})
                shape = self._shape_of(names, units, labels)
                values, printed = list(told.values()), json.dumps([as_printed(value) for value in told.values()])
                found.append(Samples(self.address.url, 0, 0, now, "observed", None, shape, values, printed))
        return found


def fetch(address: Address) -> str:
    """The page's text. No redirect is followed, and no proxy asked. Raises NoPage."""
    try:
        connection = _connection(address)
        try:
            connection.request("GET", address.path, headers={"Host": address.name, "Accept": "text/plain"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise NoPage(f"it answers {answer.status} {answer.reason[:60]}")
            end = time.monotonic() + LONGEST
            read = b""
            while chunk := answer.read1(1 << 16):
                read += chunk
                if len(read) > MOST or time.monotonic() > end:
                    raise NoPage(f"its page is longer than {MOST >> 20} MiB, or takes longer than {LONGEST:g} s")
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as e:  # ValueError: a name that no host can have
        raise NoPage(getattr(e, "strerror", None) or str(e)[:200] or type(e).__name__) from None
    return read.decode("utf-8", "replace")


def _connection(address: Address) -> HTTPConnection:
    """A connection to the first of the address's places that takes one. Raises OSError."""
    error = OSError("its name leads nowhere")
    for ip in to_ask(address):
        secure = address.scheme == "https"
        connection = (HTTPSConnection if secure else HTTPConnection)(
            address.host if secure else ip, address.port, timeout=PATIENCE
        )
        try:
            connection.connect()
        except OSError as e:
            error = e
            continue
        return connection
    raise error
