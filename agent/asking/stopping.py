"""SIGINT and SIGTERM, for commands that go on until one of them comes."""

from __future__ import annotations

import signal
import threading


def stopped_by_signal() -> threading.Event:
    """An event that SIGINT and SIGTERM set from now on."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
