"""Directories that announce their changes, by watchdog's access to inotify(7)."""

from __future__ import annotations

import errno
import math
import select
import sys
import warnings
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent

    from rli_agent.follow.queue import Directories, Queue

# watchdog 7 warns of a directory that it meets twice while it is being made, with all of its internals: it is harmless.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)

Owner = TypeVar("Owner", bound=Hashable)


class Overflow(Exception):
    """The kernel had more events than it keeps: any may be missing."""


class Inotify(Generic[Owner]):
    """At most one directory an owner. Opens nothing before it is needed. `beside`: another descriptor to wait for.

    The kernel joins events that are alike as long as nobody reads them: what is read seldom costs little.
    """

    def __init__(self, beside: int) -> None:
        self._poll = select.poll()
        self._poll.register(beside, select.POLLIN)
        self._queue: Queue | None = None
        self._watched: dict[Owner, Directories] = {}
        self._news: list[tuple[Owner, str]] = []
        self._newest: list[InotifyEvent] | None = None  # those read last, where they only tell of writes
        self._same: list[tuple[Owner, str]] = []  # what they tell
        self._lost = False

    def watch(self, owner: Owner, directory: str, recursive: bool) -> None:
        """Tell the owner what changes in the directory, and below. Raises OSError where that cannot be had."""
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "there is none on this system")
        from rli_agent.follow.queue import Directories, Queue  # here: elsewhere they cannot be imported

        if self._queue is None:
            self._queue = Queue()
            self._poll.register(self._queue.descriptor, select.POLLIN)
        self._newest = None
        self._watched[owner] = watched = Directories(
            self._queue, recursive, lambda path: self._news.append((owner, path)), self._lose
        )
        try:
            for _ in watched.enter(directory):
                pass
        except OSError:
            self.unwatch(owner)
            raise

    def unwatch(self, owner: Owner) -> None:
        """Tell the owner no more, if it is told anything."""
        self._newest = None
        if owner in self._watched:
            self._watched.pop(owner).leave()

    def limit(self, owner: Owner) -> OSError | None:
        """The kernel's limit at which a directory that came later is not watched."""
        return self._watched[owner].limit if owner in self._watched else None

    def wait(self, timeout: float) -> None:
        """Until there are events, the descriptor beside is readable, or so many seconds have passed."""
        self._poll.poll(max(0, math.ceil(1e3 * timeout)))

    def read(self) -> list[tuple[Owner, str]]:
        """What was created, modified, deleted or moved since the last call, and whom to tell; waits for nothing. Of a
        directory that appears, what it holds is told too, and of one deleted itself. Raises Overflow."""
        if self._queue is None:
            return []
        events = self._queue.read_events()
        if events and events is self._newest:  # a file that grows tells the same all the time
            return self._same
        for event in events:
            self._queue.handle_event(event)
        lost, self._lost = self._lost, False
        news, self._news = self._news, []
        self._newest = events if all(event.is_modify for event in events) else None
        self._same = news
        if lost:
            raise Overflow
        return news

    def close(self) -> None:
        for owner in list(self._watched):
            self.unwatch(owner)
        if self._queue is not None and self._has_events(self._queue):  # that nothing is watched any more
            self._queue.close()
        self._queue = None

    def _has_events(self, queue: Queue) -> bool:
        return any(ready == queue.descriptor for ready, _ in self._poll.poll(0))

    def _lose(self) -> None:
        self._lost = True
