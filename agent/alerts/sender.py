"""The thread that empties the outbox into a webhook."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from loguru import logger

from rli_agent.alerts.endpoint import CHANNEL, Endpoint
from rli_agent.alerts.post import TIMEOUT, Answer, post
from rli_agent.store import knowledge
from rli_agent.store.connection import WAIT_SECONDS

#: Pause after a failed try, doubled each time up to LAST, of which a random part is taken.
FIRST, LAST = 1.0, 300.0
#: Messages that are not critical, in an hour.
HOURLY = 20


def backoff(tries: int, first: float = FIRST, last: float = LAST, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failed tries: between half of it and all of it, so that agents do not march in
    step."""
    whole = min(last, first * 2.0 ** min(tries - 1, 32))
    return whole * (0.5 + 0.5 * chance())


def held_until(sent: list[float], now: float, hourly: int = HOURLY) -> float:
    """When the next message that is not critical may go, after those `sent` within the last hour."""
    recent = [when for when in sent if when > now - 3600.0]
    return recent[-hourly] + 3600.0 if len(recent) >= hourly else now


class Sender:
    """Sends what waits in the outbox of a store, critical messages first, until it is taken, and remembers each at
    once as taken.

    Only a process that dies between a receiver's answer and that note sends a message twice (with the same
    Idempotency-Key). A message that is refused as such waits aside; an endpoint that fails holds them all up.
    """

    def __init__(
        self, store: Path, endpoint: Endpoint, *, timeout: float = TIMEOUT, first: float = FIRST, last: float = LAST
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._timeout = timeout
        self._limits = (first, last)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._tries = 0
        self._not_before = 0.0
        self._refused: dict[int, tuple[int, float]] = {}
        self._taken: dict[int, float] = {}
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    def close(self, patience: float) -> None:
        """Send what can be sent within so many seconds; the rest stays in the outbox."""
        self._stop.set()
        self._wake.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            ending = self._stop.is_set()  # on the way out one more look is taken, and no failed try is repeated
            self._wake.clear()
            try:
                pause = self._round()
            except sqlite3.Error as error:
                self._complain(f"the outbox cannot be read or written: {error}")
                pause = self._limits[1]
            if ending:
                return
            if not self._stop.is_set():
                self._wake.wait(pause)

    def _round(self) -> float | None:
        """Send what may go now; the seconds until something else may, or None: when there is something new."""
        uri = f"{self._store.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")  # a power cut must not forget that a message was taken
            while True:
                self._note(db)
                ready, pause = self._next(db)
                if ready is None:
                    return pause
                answer = post(self._endpoint, ready.message, self._timeout)
                if answer.taken:
                    self._taken[ready.id] = time.time()
                    self._refused.pop(ready.id, None)
                    self._tries, self._not_before = 0, 0.0
                    self._note(db)
                    self._complain("")
                else:
                    self._failed(ready.id, answer)
                    if self._stop.is_set() and not answer.refused:
                        return None

    def _note(self, db: sqlite3.Connection) -> None:
        """Remember what was taken; what cannot be noted now is not sent again by this process."""
        for number, when in list(self._taken.items()):
            knowledge.delivered(db, number, when)
            del self._taken[number]

    def _next(self, db: sqlite3.Connection) -> tuple[knowledge.Waiting | None, float | None]:
        """The message that may go now, else the seconds until one may (None: there is none)."""
        now = time.time()
        free = held_until(knowledge.delivered_since(db, now - 3600.0), now)
        later: list[float] = []
        critical, others = (knowledge.waiting(db, CHANNEL, critical=c) for c in (True, False))
        for waiting in (*critical, *others):
            due = max(self._refused.get(waiting.id, (0, 0.0))[1], self._not_before)
            if waiting.message.severity != "critical":
                due = max(due, free)
            if due <= now:
                return waiting, None
            later.append(due)
        return None, max(0.05, min(later) - now) if later else None

    def _failed(self, number: int, answer: Answer) -> None:
        now = time.time()
        first, last = self._limits
        if answer.refused:
            tries = self._refused.get(number, (0, 0.0))[0] + 1
            self._refused[number] = (tries, now + (answer.pause or backoff(tries, first, last)))
        else:
            self._tries += 1
            pause = answer.pause if answer.pause is not None else backoff(self._tries, first, last)
            self._not_before = now + pause
        said = f"{answer.status} {answer.text[:200]}" if answer.status is not None else answer.text[:200]
        host = self._endpoint.host
        self._complain(f"the webhook at {host} does not take messages ({said}); they are kept, and sent again")

    def _complain(self, what: str) -> None:
        if what and what != self._told:
            logger.warning("{}", what)
        elif self._told and not what:
            logger.info("the webhook at {} takes messages again", self._endpoint.host)
        self._told = what
