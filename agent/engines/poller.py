"""Asks the servers of a run for their metrics, every ten seconds, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from rli_agent.engines.addresses import Address, addresses_in, addresses_of_prometheus
from rli_agent.engines.page import NoPage, Page, ShapeOf
from rli_agent.events import Event, RunFact, Samples, Source
from rli_agent.journal import logger

#: Seconds between two looks at a page; the longest pause before one is tried again that did not answer.
EVERY, LONGEST = 10.0, 120.0
#: Servers of a run that are asked, and how many at a time.
MOST, AT_ONCE = 64, 8
#: How the names of engines' metrics begin.
ENGINES = ("vllm:", "sglang:")
#: Facts that tell addresses, and the one that names a Prometheus configuration.
_ADDRESSES = ("engine_address", "engine_addresses")
_CONFIGURATION = "prometheus_file"


class _Server(Struct):
    page: Page
    due: float = 0.0
    pause: float = EVERY
    complaint: str | None = None
    answers: bool = False
    kind: str = ""


class EnginePoller:
    """A publisher that reads, too: facts that tell of servers come in, what the servers say comes out by `take`.

    `given` are asked whatever the run says. What goes wrong with a server is said once, until it answers.
    """

    def __init__(self, given: Iterable[Address], shape_of: ShapeOf, every: float = EVERY) -> None:
        self._shape_of = shape_of
        self._every = every
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, int], _Server] = {}
        self._answers: list[tuple[Source, list[Samples]]] = []
        self._full = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        for address in given:
            self._add(address)

    # -- the reading thread

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Take up the addresses that these events tell."""
        del source, now
        for event in events:
            if isinstance(event, RunFact):
                for address in _told(event):
                    self._add(address)

    def tick(self, now: float) -> None:
        """Nothing is due here: the thread keeps its own time."""

    def take(self) -> list[tuple[Source, list[Samples]]]:
        """What the servers said since the last call."""
        with self._lock:
            answers, self._answers = self._answers, []
        return answers

    @property
    def answering(self) -> int:
        """How many servers answered when they were asked last."""
        with self._lock:
            return sum(server.answers for server in self._servers.values())

    @property
    def known(self) -> dict[Address, str]:
        """The engines that have ever answered, and what each is: `vllm` or `sglang`."""
        with self._lock:
            return {server.page.address: server.kind for server in self._servers.values() if server.kind}

    def close(self, patience: float) -> None:
        """End the thread; one that waits for a server is left behind after `patience` seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _add(self, address: Address) -> None:
        with self._lock:
            key = (address.host, address.port)
            if key in self._servers or self._stop.is_set():
                return
            if len(self._servers) >= MOST:
                if not self._full:
                    self._full = True
                    logger.warning("{} and others are not asked for metrics: {} servers are", address.url, MOST)
                return
            self._servers[key] = _Server(Page(address, self._shape_of))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engines", daemon=True)
                self._thread.start()

    # -- the thread

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="engine") as pool:
            while not self._stop.is_set():
                now = time.monotonic()
                with self._lock:
                    servers = list(self._servers.values())
                due = [server for server in servers if server.due <= now]
                list(pool.map(self._look, due, [len(servers) == 1] * len(due)))
                self._stop.wait(min(1.0, self._every))

    def _look(self, server: _Server, alone: bool) -> None:
        address = server.page.address
        if self._stop.is_set():
            return
        try:
            told = server.page.look(alone)
        except NoPage as e:
            if server.complaint != str(e):
                server.complaint = str(e)
                logger.info("{}: no metrics ({}); it is asked again now and then", address.url, e)
            server.answers = False
            server.due = time.monotonic() + server.pause
            server.pause = min(2 * server.pause, max(LONGEST, self._every))
            return
        if server.complaint is not None:
            server.complaint = None
            logger.info("{}: it answers now", address.url)
        server.answers = True
        names = (name for samples in told for name in samples.shape.names)
        server.kind = server.kind or next((n.partition(":")[0] for n in names if n.startswith(ENGINES)), "")
        server.due, server.pause = time.monotonic() + self._every, self._every
        with self._lock:
            self._answers.append((server.page.source, told))


def _told(fact: RunFact) -> Iterable[Address]:
    if fact.key in _ADDRESSES:
        return addresses_in(fact.value)
    return addresses_of_prometheus(Path(fact.value)) if fact.key == _CONFIGURATION else ()
