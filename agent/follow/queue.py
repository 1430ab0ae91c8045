"""watchdog's queue of the kernel's events (Linux only), read by whoever waits for it instead of by a thread of its own:
each event would cost a fifth of a millisecond on its way through watchdog's three threads."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

from rli_agent.follow.limits import LIMITS

_WANTED = Mask(
    InotifyConstants.IN_MODIFY | InotifyConstants.IN_CREATE | InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_DONT_FOLLOW
)  # fmt: skip

_HEAD = struct.Struct("iIII")
#: Bytes that are read at once. A file that grows gives the same few each time: what they say is remembered.
AT_ONCE, _SHORT = 1 << 14, 1 << 8


class Queue(InotifyFD):
    """Is never started: `read_events` and `handle_event` are called where `descriptor` became readable, `close` too."""

    descriptor: int

    def _create_inotify_fd(self) -> int:  # type: ignore[override]  # called on the object, and the only way to the number
        self.descriptor = super()._create_inotify_fd()
        os.set_inheritable(self.descriptor, False)
        os.set_blocking(self.descriptor, False)
        return self.descriptor

    def read_events(self, *, event_buffer_size: int = AT_ONCE) -> list[InotifyEvent]:
        """What there is. Nobody else reads, so watchdog's locks and its own waiting are left out: they took three times
        as long as all the rest."""
        try:
            data = os.read(self.descriptor, event_buffer_size)
        except BlockingIOError:
            return []
        return _remembered(data) if len(data) <= _SHORT else _events(data)

    def close(self) -> None:
        """Where nothing can be read watchdog leaves this to its thread."""
        super().read_events()
        super().close()


def _events(data: bytes) -> list[InotifyEvent]:
    """The events in a buffer, see inotify(7)."""
    found, at = [], 0
    while at < len(data):
        number, mask, cookie, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size + length
        found.append(InotifyEvent(number, mask, cookie, data[at - length : at].rstrip(b"\0")))
    return found


_remembered = lru_cache(64)(_events)


class Directories(WatchCallback):
    """A directory, alone or with all below it. `tell` is called with the path of what was created, modified, deleted or
    moved; of a directory that appears also of what it holds, and of one deleted itself. `lost`: events were."""

    def __init__(self, queue: Queue, recursive: bool, tell: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._queue = queue
        self._recursive = recursive
        self._tell = tell
        self._paths: dict[WatchDescriptor, str] = {}
        #: Why a directory that came later is not watched: a limit of the kernel.
        self.limit: OSError | None = None
        self._lost = lost

    def enter(self, top: str) -> Iterator[str]:
        """Watch a directory, and those below it; what they hold. Raises OSError for `top`, and at a limit; others may
        go away meanwhile, or be closed to us."""
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            try:
                self._add(directory)  # first: what is made while it is listed has an event
                if not self._recursive:
                    return
                with os.scandir(directory) as entries:
                    listed = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
            except OSError as error:
                if directory == top or error.errno in LIMITS:
                    raise
                continue
            for path, is_directory in listed:
                yield path
                if is_directory:
                    waiting.append(path)

    def leave(self, top: str = "/") -> None:
        """No longer watch what lies below. A directory that was moved is entered again where it appears."""
        left = [number for number, path in self._paths.items() if f"{path}/".startswith(top)]
        self._queue.remove_callbacks([(number, CallbackId(id(self))) for number in left])
        for number in left:
            del self._paths[number]

    def on_event(self, event: InotifyEvent) -> None:
        directory = self._paths.get(event.wd)
        if directory is None:
            return
        path = f"{directory}/{os.fsdecode(event.name)}" if event.name else directory
        self._tell(path)
        if event.is_modify or not (self._recursive and event.is_directory):
            return
        if event.is_moved_from:
            self.leave(f"{path}/")
        elif event.is_create or event.is_moved_to:
            try:
                for inside in self.enter(path):
                    self._tell(inside)
            except OSError as error:
                if error.errno in LIMITS:
                    self.limit = error

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        self._paths.pop(wd, None)

    def on_queue_overflow(self) -> None:
        self._lost()

    def _add(self, directory: str) -> None:
        number = self._queue.add_callback(os.fsencode(directory), _WANTED, self, CallbackId(id(self)))
        if number < 0:  # watchdog 7 passes over what may not be read
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)
        self._paths[number] = directory
