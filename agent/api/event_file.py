"""The file to which this process appends its events: a line is one write, whatever becomes of process and disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from errno import EBADF, ENOSPC, ESTALE
from fcntl import F_DUPFD_CLOEXEC, fcntl

from rli_agent.api.complaints import say

#: Descriptors from here on: a program that closes all and opens others again takes the lowest ones, never ours.
_HIGH = 500
#: Seconds between two looks whether the path still names the file, and between two tries to open one.
_LOOK_EVERY, _TRY_EVERY = 5.0, 1.0
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
_CLOSED = -1


class EventFile:
    """Appends lines to `path()`, after a first one that `greeting()` makes. Both are asked whenever the file is opened:
    by the first line, in a process that was forked, when the path names another file by now.

    For any number of threads: a line is one write to a descriptor with O_APPEND, which needs no lock. `write` raises
    nothing. A line that could not be written is counted; the count is written as soon as there is room.
    """

    def __init__(self, path: Callable[[], str], greeting: Callable[[], bytes]) -> None:
        self._path = path
        self._greeting = greeting
        self._at = ""
        self._fd = _CLOSED
        self._opening = threading.RLock()  # a signal's handler may come in between
        self._look_at = self._try_at = 0.0
        self._torn = False
        #: Lines that could not be written, and why the last one could not.
        self.lost = 0
        self.complaint: str | None = None

    def write(self, line: bytes, now: float) -> None:
        """Append a line, which ends with a newline. now: Unix seconds."""
        try:
            if now >= self._look_at or self._torn:
                self._look(now)
            if os.write(self._fd, line) == len(line):
                return
            self._torn = True
            self._lose("the disk is full")
        except OSError as error:
            self._again(line, now, error)

    def begin(self, now: float) -> None:
        """Open the file already, so that it is seen who writes."""
        try:
            self._open(now)
        except OSError as error:
            self._complain(f"{self._at}: {error.strerror or error}")

    def settle(self, now: float) -> None:
        """Tell of lines that were lost, if there is room by now."""
        with suppress(OSError):  # there is none
            self._look(now)

    def forget(self) -> None:
        """This is a forked process: what is open belongs to its parent, and so do the lines that it has lost."""
        self._opening = threading.RLock()
        self._torn = False
        self.lost = 0
        self._look_at = self._try_at = 0.0
        self.close()

    def close(self) -> None:
        """Close the file; a later line would open it again."""
        fd, self._fd = self._fd, _CLOSED
        if fd != _CLOSED:
            with suppress(OSError):  # somebody else did
                os.close(fd)

    def _again(self, line: bytes, now: float, error: OSError) -> None:
        """The line could not be written as it is: open the file, where that may help."""
        try:
            if error.errno not in (EBADF, ESTALE):  # not opened yet, closed by somebody, gone from the server
                raise error
            self._open(now)
            if os.write(self._fd, line) != len(line):
                self._torn = True
                self._lose("the disk is full")
        except OSError as again:
            self._lose(f"{self._at}: {again.strerror or again}")

    def _look(self, now: float) -> None:
        """Now and then: end a line that was cut off, tell what was lost, see that the file is still the one it was."""
        self._look_at = now + _LOOK_EVERY
        if self._fd == _CLOSED:
            return
        if not _names(self._at, self._fd):
            self.close()
            return
        if self._torn:
            os.write(self._fd, b"\n")
            self._torn = False
        if self.lost:
            line = b'{"type":"lost","count":%d,"time":%.6f}\n' % (self.lost, now)
            if os.write(self._fd, line) == len(line):
                self.lost = 0
            else:
                self._torn = True

    def _open(self, now: float) -> None:
        """Open the file, once for all threads. Raises OSError, also for a while after one."""
        with self._opening:
            if self._fd != _CLOSED and _names(self._at, self._fd):
                return
            self.close()
            if time.monotonic() < self._try_at:
                raise OSError(0, "it could not be opened")
            self._try_at = time.monotonic() + _TRY_EVERY
            self._at = self._path()
            os.makedirs(os.path.dirname(self._at) or ".", exist_ok=True)
            fd = os.open(self._at, _FLAGS, 0o644)
            try:
                greeting = self._greeting()
                if os.write(fd, greeting) != len(greeting):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
                self._fd = _raised(fd)
            except OSError:
                os.close(fd)
                raise
            self._try_at = 0.0
            self._look_at = now + _LOOK_EVERY

    def _lose(self, why: str) -> None:
        self.lost += 1
        self._look_at = 0.0 if self._fd != _CLOSED else self._look_at
        self._complain(why)

    def _complain(self, why: str) -> None:
        if self.complaint is None:
            self.complaint = why
            say(f"an event could not be written ({why}); the training goes on, and so do the tries")


def _names(path: str, fd: int) -> bool:
    """Whether a path names the file that is open."""
    try:
        there, own = os.stat(path), os.fstat(fd)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)


def _raised(fd: int) -> int:
    """The same file under a high number, where so many descriptors are allowed."""
    try:
        high = fcntl(fd, F_DUPFD_CLOEXEC, _HIGH)
    except OSError:
        return fd
    os.close(fd)
    return high
