"""Publishers that read the store in a thread of their own, and send until everything has arrived."""

from __future__ import annotations

import random
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from rli_agent.events import Event, Source
from rli_agent.journal import logger
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.store.errors import StoreError
from rli_agent.store.run_store import RunStore

#: Seconds between two looks into the store.
LOOK = 1.0
#: Seconds before the second try, doubled up to the last.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0


_Position = TypeVar("_Position")


def position_of(kept: bytes | None, kind: type[_Position]) -> _Position:
    """How far a receiver has everything, as it was kept; the beginning where another version kept it."""
    try:
        return msgspec.json.decode(kept, type=kind) if kept else kind()
    except msgspec.MsgspecError:
        return kind()


class FromStore(ABC):
    """A publisher (see publisher.py): what cannot be sent waits in the store, and how far a receiver has everything is
    kept there too. A kind of it has `_export`, which runs in the thread."""

    def __init__(self, store: RunStore, what: str, exporter: str, own: SelfMetrics, stop: threading.Event) -> None:
        """what: a word for people (spans …). exporter: the label of the agent's own figures. `stop`: set when the watch
        is told to end."""
        self._store = store
        self._what = what
        self._exporter = exporter
        self._own = own
        own.exporter_failed(exporter, 0)  # so that the first failure is seen as a rise
        self._stop = stop
        self._kept: tuple[str, bytes] | None = None  # to be written into the store by the thread that owns it
        self._settled = threading.Event()  # the times of what stands in the files are known
        self._closing = threading.Event()
        self._ended = threading.Event()  # stop at once
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name=exporter, daemon=True)

    # -- for the reading thread

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Nothing to do: what is to be sent is read from the store."""
        del events, source, now

    def tick(self, now: float) -> None:
        """All that stood in the files has been read; keep how far the receiver has it."""
        del now
        self._settled.set()
        self._keep()

    def close(self, patience: float) -> None:
        """Send what is there, as long as the receiver takes it, and for `patience` seconds at most once the watch was
        told to end; the rest waits in the store for the next watch."""
        self._closing.set()
        while self._thread.is_alive() and not self._stop.is_set():
            self._thread.join(0.2)
        self._thread.join(patience)
        if self._thread.is_alive():
            self._ended.set()
            self._abort()
            self._thread.join(1.0)
        self._keep()

    def _keep(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                self._store.knowledge.set(*kept)
            except StoreError as error:  # the same is sent again, which changes nothing
                logger.debug("how far {} were sent is not kept: {}", self._what, error)
                self._kept = self._kept or kept

    # -- the thread

    @abstractmethod
    def _export(self) -> None:
        """Send until the watch ends. Raises StoreError and sqlite3.Error where the store cannot be read."""

    @abstractmethod
    def _abort(self) -> None:
        """End what is under way; called from the reading thread."""

    def _work(self) -> None:
        while not (self._settled.wait(LOOK) or self._closing.is_set()):
            pass
        while self._settled.is_set() and not self._ended.is_set():
            try:
                self._export()
                return
            except (StoreError, sqlite3.Error) as error:
                logger.warning("{}: the store cannot be read ({}); it is tried again", self._what, error)
            except Exception as error:  # a fault of ours must end neither the watch nor, for good, the sending
                logger.opt(exception=True).debug(self._what)
                logger.error("{} are not sent, by a fault of rli-agent ({!r}); it is tried again", self._what, error)
            if self._closing.wait(LONGEST_WAIT):
                return

    def _rest(self) -> None:
        """Until the next look into the store."""
        self._closing.wait(LOOK)

    def _wait_for_return(self, url: str, reason: str, asked: float | None = None) -> bool:
        """After a failure, for at least `asked` seconds; False when the watch is ending, which gives it no other
        try."""
        self._own.exporter_failed(self._exporter)
        if self._closing.is_set():
            return False
        if not self._failures:
            text = "{}: {}: {}; they wait in the store and go out when it takes them"
            logger.warning(text, self._what, url, reason)
        wait = min(FIRST_WAIT * 2 ** min(self._failures, 10), LONGEST_WAIT) * random.uniform(0.8, 1.2)
        self._failures += 1
        self._closing.wait(max(wait, asked or 0.0))
        return not self._ended.is_set()

    def _arrived(self, url: str) -> None:
        """The receiver took something."""
        if self._failures:
            logger.info("{}: {} takes them again", self._what, url)
            self._failures = 0
