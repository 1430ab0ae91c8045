"""Directories that announce their changes, by watchdog, and the kernel's limits on that."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

if TYPE_CHECKING:
    from rli_agent.follow.bursts import Bursts

# watchdog 7 warns of a directory that it meets twice while it is being made, with all of its internals: it is harmless.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileDeletedEvent, DirCreatedEvent, DirMovedEvent,
    DirDeletedEvent,
]  # fmt: skip
_LIMITS = {
    errno.ENOSPC: ("watches", "max_user_watches", 1048576),
    errno.EMFILE: ("instances", "max_user_instances", 1024),
}


class Inotify:
    """At most one directory a handler, which is called in watchdog's thread. Starts nothing before it is needed."""

    def __init__(self) -> None:
        self._observer: BaseObserver | None = None
        self._bursts: Bursts | None = None
        self._pause = 0.0
        self._watches: dict[FileSystemEventHandler, ObservedWatch] = {}

    def watch(self, handler: FileSystemEventHandler, directory: Path, recursive: bool) -> None:
        """Tell the handler what changes in the directory. Raises OSError where that cannot be had."""
        if self._observer is None:
            self._observer = self._new_observer()
            self._observer.start()
        self._watches[handler] = self._observer.schedule(
            handler, str(directory), recursive=recursive, event_filter=_EVENTS
        )
        if limit := self.limit_reached():
            self.unwatch(handler)
            raise limit

    def unwatch(self, handler: FileSystemEventHandler) -> None:
        """Tell the handler no more, if it is told anything."""
        watch = self._watches.pop(handler, None)
        if watch is None or self._observer is None:
            return
        if watch in self._watches.values():
            self._observer.remove_handler_for_watch(handler, watch)
        else:
            self._observer.unschedule(watch)

    def _new_observer(self) -> BaseObserver:
        if sys.platform != "linux":
            return Observer()
        from rli_agent.follow.bursts import BurstObserver  # here: elsewhere there is no inotify

        observer = BurstObserver()
        self._bursts = observer.bursts
        self.settle(self._pause)
        return observer

    def settle(self, pause: float) -> None:
        """Take events at most every so many seconds."""
        self._pause = pause
        if self._bursts is not None:
            self._bursts.pause = pause

    def limit_reached(self) -> OSError | None:
        """Whether one more watch fails. watchdog 7 passes over subdirectories that it could not watch in silence."""
        assert self._observer is not None
        try:
            self._observer.unschedule(
                self._observer.schedule(FileSystemEventHandler(), os.sep, event_filter=_EVENTS[:1])
            )
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


def reason(error: OSError) -> str:
    """Why a directory does not announce its changes, and what would help."""
    if error.errno not in _LIMITS:
        return f"inotify does not work there ({error.strerror})"
    what, setting, enough = _LIMITS[error.errno]
    try:
        value = Path("/proc/sys/fs/inotify", setting).read_text().strip()
    except OSError:
        value = "unknown"
    return (
        f"the limit on inotify {what} is reached (fs.inotify.{setting} = {value}; "
        f"to raise it: sudo sysctl fs.inotify.{setting}={enough})"
    )
