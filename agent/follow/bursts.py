"""watchdog's observer for Linux, with events taken in bursts: of several writes to one file the kernel makes one event
as long as nobody reads it, and each costs a fifth of a millisecond on its way through watchdog's three threads."""

from __future__ import annotations

import time

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD


class Bursts(InotifyFD):
    """Reads the kernel's events, `pause` seconds after the last ones at the earliest."""

    pause = 0.0
    _read_at = 0.0

    def read_events(self, **given: int) -> list[InotifyEvent]:
        time.sleep(max(0.0, self._read_at + self.pause - time.monotonic()))
        events = super().read_events(**given)
        self._read_at = time.monotonic()
        return events


class BurstObserver(BaseObserver):
    """Has one inotify instance, as watchdog's own."""

    def __init__(self) -> None:
        self.bursts = Bursts()
        self.bursts.start()
        super().__init__(InotifyEmitter, inotify_fd=self.bursts)

    def on_thread_stop(self) -> None:
        super().on_thread_stop()
        self.bursts.stop()
        self.bursts.join()
