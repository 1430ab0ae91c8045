"""The open files of all readers together: few, and none for a file that is idle.

One thread uses them. A trainer's run directory may hold thousands of files; only those that are being written need to
stay open, because an open file can still be read to its end after it was renamed or deleted.
"""

from __future__ import annotations

import os
from pathlib import Path

#: At most this many open at any time.
LIMIT = 64
#: Seconds without use after which a file is closed.
IDLE = 10.0


class Handle:
    """An open file. `fd` is -1 once it was closed, which may happen whenever it is not `busy`.

    `kept` says that no path may lead to the file later: it is not closed for idleness, and last when handles run out.
    """

    __slots__ = ("busy", "fd", "kept", "used")

    def __init__(self, fd: int, used: float) -> None:
        self.fd = fd
        self.used = used
        self.busy = False
        self.kept = False


class Handles:
    """Opens files for reading and closes the least recently used ones. `now` is any monotonic clock, in seconds."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._open: dict[Handle, None] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._open)

    def open(self, path: str | Path, now: float) -> Handle:
        """Raises OSError. Never waits for a writer (a FIFO may have taken the file's name)."""
        while len(self._open) >= self._limit:
            free = [handle for handle in self._open if not handle.busy]
            if not free:
                break
            self.close(min(free, key=lambda handle: handle.kept))
        handle = Handle(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY), now)
        self._open[handle] = None
        return handle

    def touch(self, handle: Handle, now: float) -> None:
        """The file is in use: it becomes the last to be closed."""
        handle.used = now
        del self._open[handle]
        self._open[handle] = None

    def close(self, handle: Handle) -> None:
        if handle.fd >= 0:
            del self._open[handle]
            os.close(handle.fd)
            handle.fd = -1

    def close_idle(self, now: float) -> None:
        """Close what was not used for IDLE seconds and can be opened again."""
        for handle in list(self._open):
            if now - handle.used < IDLE:
                break
            if not handle.busy and not handle.kept:
                self.close(handle)
