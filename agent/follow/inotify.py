"""Directories that announce their changes, by inotify(7), and the kernel's limits on that."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Hashable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from inotify_simple import INotify, flags, parse_events

Owner = TypeVar("Owner", bound=Hashable)

_WANTED = int(
    flags.MODIFY | flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO | flags.DELETE_SELF
    | flags.ONLYDIR | flags.DONT_FOLLOW
)  # fmt: skip
# As plain numbers: an event may come for each line that a trainer writes.
_IS_DIRECTORY, _APPEARED, _LEFT = int(flags.ISDIR), int(flags.CREATE | flags.MOVED_TO), int(flags.MOVED_FROM)
_IGNORED, _OVERFLOW = int(flags.IGNORED), int(flags.Q_OVERFLOW)

#: Bytes that are read at once. A file that grows gives the same few each time: what they say is remembered.
_AT_ONCE, _SHORT = 1 << 18, 1 << 9
_parsed = lru_cache(64)(parse_events)

_LIMITS = {
    errno.ENOSPC: ("watches", "max_user_watches", 1048576),
    errno.EMFILE: ("instances", "max_user_instances", 1024),
}


class Overflow(Exception):
    """The kernel had more events than it keeps: any may be missing."""


class Inotify(Generic[Owner]):
    """At most one directory an owner, alone or with all below it. Opens nothing before it is needed.

    The kernel joins events that are alike as long as nobody reads them: what is read seldom costs little.
    """

    def __init__(self) -> None:
        self._kernel: INotify | None = None
        self._directories: dict[int, tuple[str, set[Owner]]] = {}  # by watch descriptor
        self._recursive: set[Owner] = set()
        #: Why a directory that came later is not watched: a limit of the kernel.
        self.limit: OSError | None = None

    def fileno(self) -> int:
        """What becomes readable with an event; -1 while nothing was watched yet."""
        return -1 if self._kernel is None else int(self._kernel.fileno())

    def watch(self, owner: Owner, directory: str, recursive: bool) -> None:
        """Tell the owner what changes in the directory. Raises OSError where that cannot be had."""
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "there is none on this system")
        if self._kernel is None:
            self._kernel = INotify(nonblocking=True)
        try:
            if recursive:
                self._recursive.add(owner)
                for _ in self._enter(owner, directory):
                    pass
            else:
                self._add(owner, directory)
        except OSError:
            self.unwatch(owner)
            raise

    def unwatch(self, owner: Owner) -> None:
        """Tell the owner no more, if it is told anything."""
        if self._kernel is not None:
            self._recursive.discard(owner)
            self._leave(owner, "/")

    def read(self) -> Iterator[tuple[Owner, str]]:
        """What was created, modified, deleted or moved since the last call, and whom to tell; waits for nothing. Of a
        directory that appears, what it holds is told too, and of one deleted itself. Raises Overflow."""
        try:
            data = os.read(self._kernel.fileno(), _AT_ONCE) if self._kernel is not None else b""
        except BlockingIOError:
            return
        for number, mask, _, name in _parsed(data) if len(data) <= _SHORT else parse_events(data):
            if mask & _OVERFLOW:
                raise Overflow
            directory, owners = self._directories.get(number, ("", set()))
            if mask & _IGNORED:  # the directory is gone
                self._directories.pop(number, None)
                continue
            path = f"{directory}/{name}" if name else directory
            for owner in list(owners):
                yield owner, path
                if mask & _IS_DIRECTORY and owner in self._recursive:
                    if mask & _LEFT:
                        self._leave(owner, f"{path}/")
                    elif mask & _APPEARED:
                        yield from self._appeared(owner, path)

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _appeared(self, owner: Owner, directory: str) -> Iterator[tuple[Owner, str]]:
        try:
            for path in self._enter(owner, directory):
                yield owner, path
        except OSError as error:
            if error.errno in _LIMITS:
                self.limit = error

    def _enter(self, owner: Owner, top: str) -> Iterator[str]:
        """Watch a directory and those below it; what they hold. Raises OSError for `top`, and at a limit; others may go
        away meanwhile, or be closed to us."""
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            try:
                self._add(owner, directory)  # first: what is made while it is listed has an event
                with os.scandir(directory) as entries:
                    listed = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
            except OSError as error:
                if directory == top or error.errno in _LIMITS:
                    raise
                continue
            for path, is_directory in listed:
                yield path
                if is_directory:
                    waiting.append(path)

    def _add(self, owner: Owner, directory: str) -> None:
        assert self._kernel is not None
        number = self._kernel.add_watch(directory, _WANTED)  # the directory's own, however often it is added
        _, owners = self._directories.get(number, ("", set[Owner]()))
        self._directories[number] = directory, {*owners, owner}

    def _leave(self, owner: Owner, top: str) -> None:
        """No longer watch a directory and those below it. One that was moved is entered again where it appears."""
        assert self._kernel is not None
        for number, (path, owners) in list(self._directories.items()):
            if f"{path}/".startswith(top):
                owners.discard(owner)
                if not owners:
                    del self._directories[number]
                    with suppress(OSError):  # it is gone already
                        self._kernel.rm_watch(number)


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
