"""Server-sent events: a page that is open hears of what changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from msgspec import json

from rli_agent.store.errors import StoreError
from rli_agent.web.stores import Stores, UnknownRun

#: Seconds between two looks, and between two signs of life on a quiet connection.
POLL, ALIVE = 0.2, 15.0
#: Seconds between two looks at runs that nobody watches.
IDLE = 5.0


def events(stores: Stores, runs: Sequence[str], over: threading.Event) -> Iterator[bytes]:
    """What to send, until `over`: of these runs, or, where none is named, of all. On the first look each tells how it
    is; later, how it is where that changed (`status`), and that something was stored (`changed`)."""
    yield b"retry: 2000\n\n"
    told: dict[str, tuple[int, bytes]] = {}
    due: dict[str, float] = {}
    said = time.monotonic()
    while not over.is_set():
        for run in list(runs or stores.listed()):
            now = time.monotonic()
            if now < due.get(run, 0.0):
                continue
            try:
                version, report = stores.version(run), stores.report(run)
                due[run] = 0.0 if stores.is_live(run) else now + IDLE
            except (UnknownRun, StoreError):
                due[run] = now + IDLE
                continue
            before = told.get(run)
            told[run] = (version, report)
            if before is not None and before[0] != version:
                yield b"event: changed\ndata: " + json.encode({"run": run}) + b"\n\n"
            if before is None or before[1] != report:
                yield b"event: status\ndata: " + report + b"\n\n"
            if before != told[run]:
                said = now
        if time.monotonic() - said > ALIVE:
            said = time.monotonic()
            yield b": \n\n"
        yield b""  # a page that was closed makes room for another at once
        over.wait(POLL)
