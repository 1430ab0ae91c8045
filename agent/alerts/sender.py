"""The thread that empties a store's outbox into one channel."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.words import digest
from rli_agent.journal import logger
from rli_agent.store import outbox
from rli_agent.store.connection import WAIT_SECONDS
from rli_agent.store.outbox import Waiting

if TYPE_CHECKING:
    from rli_agent.publish.selfmetrics import SelfMetrics

#: Pause after a failed try, doubled each time up to LAST, of which a random part is taken.
FIRST, LAST = 1.0, 300.0
#: A message that was refused as such so often is given up: by then an hour and more has passed.
REFUSALS = 20
#: An incident is told again for so many seconds at most.
REMEMBERED = 7 * 86_400.0


class Pace(Struct, frozen=True):
    """How fast messages go out. hourly: those that are not critical. group, repeat: seconds, see docs/alerts.md.
    first, last: seconds between tries."""

    hourly: int = 20
    group: float = 0.0
    repeat: float | None = None
    first: float = FIRST
    last: float = LAST


class Due(Struct, frozen=True):
    """What goes next: messages that go as one, or an incident that is told again."""

    waiting: tuple[Waiting, ...]
    notice: Notice


def backoff(tries: int, first: float = FIRST, last: float = LAST, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after so many failed tries: between half of it and all of it, so that agents do not march in
    step."""
    whole = min(last, first * 2.0 ** min(tries - 1, 32))
    return whole * (0.5 + 0.5 * chance())


def held_until(sent: list[float], now: float, hourly: int) -> float:
    """When the next message that is not critical may go, after those `sent` within the last hour."""
    recent = [when for when in sent if when > now - 3600.0]
    return recent[-hourly] + 3600.0 if len(recent) >= hourly else now


class Sender:
    """Sends what waits for a channel, critical messages first, until it is taken, and remembers each at once as taken.

    Only a process that dies between a receiver's answer and that note sends a message twice (by the same key). A
    message that is refused as such waits aside; a channel that fails holds them all up. What goes on with an incident
    never overtakes what came before of it.
    """

    def __init__(
        self, store: Path, channel: Channel, pace: Pace = Pace(), own: SelfMetrics | None = None  # noqa: B008
    ) -> None:  # fmt: skip
        """own: where it is counted how many messages wait, and how many tries failed."""
        self._own = own
        self._store = store
        self._channel = channel
        self._pace = pace
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._tries = 0
        self._not_before = 0.0
        self._refused: dict[int, tuple[int, float]] = {}
        self._unnoted: list[tuple[int, float]] = []
        self._told = ""
        self._thread = threading.Thread(target=self._run, name=f"alerts-{channel.name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    def stop(self) -> None:
        """Send what can be sent now, and end; the rest stays in the outbox."""
        self._stop.set()
        self._wake.set()

    def join(self, patience: float) -> None:
        """Wait for the end, so many seconds at most."""
        self._thread.join(max(0.0, patience))

    def _run(self) -> None:
        while True:
            ending = self._stop.is_set()  # on the way out one more look is taken, and no failed try is repeated
            self._wake.clear()
            try:
                pause = self._round(ending)
            except sqlite3.Error as error:
                self._complain(f"the outbox cannot be read or written: {error}")
                pause = self._pace.last
            if ending:
                return
            if not self._stop.is_set():
                self._wake.wait(pause)

    def _round(self, ending: bool) -> float | None:
        """Send what may go now; the seconds until something else may, or None: when there is something new."""
        uri = f"{self._store.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")  # a power cut must not forget that a message was taken
            while True:
                self._note(db)
                due, pause = self._next(db, ending)
                if due is None:
                    return pause
                answer = self._channel.send(due.notice)
                if answer.outcome == "taken":
                    now = time.time()
                    self._unnoted += [(one.id, now) for one in due.waiting]
                    self._tries, self._not_before = 0, now + (answer.pause or 0.0)
                    self._note(db)
                    self._complain("")
                else:
                    self._failed(db, due, answer)
                    if self._stop.is_set() and answer.outcome == "failed":
                        return None

    def _note(self, db: sqlite3.Connection) -> None:
        """Remember what was taken; what cannot be noted now is not sent again by this process."""
        if not self._unnoted:
            return
        db.execute("BEGIN IMMEDIATE")
        with db:
            for number, when in self._unnoted:
                outbox.taken(db, self._channel.name, number, when)
        for number, _ in self._unnoted:
            self._refused.pop(number, None)
        self._unnoted.clear()

    def _next(self, db: sqlite3.Connection, ending: bool) -> tuple[Due | None, float | None]:
        """What may go now, else the seconds until something may (None: there is nothing)."""
        now, name, pace = time.time(), self._channel.name, self._pace
        free = now
        if self._channel.resend is None:  # what is told again all the time needs no limit
            free = held_until(outbox.taken_since(db, name, now - 3600.0), now, pace.hourly)
        critical, others = (outbox.waiting(db, name, critical=c) for c in (True, False))
        if self._own is not None:
            self._own.exporter_queued(f"alerts/{name}", len(critical) + len(others))
        first: dict[str, int] = {}  # the first message that waits, of each incident
        for one in sorted((*critical, *others), key=lambda w: w.id):
            first.setdefault(one.message.episode, one.id)
        grouped = max(free, others[0].made + pace.group) if others and self._channel.merges and not ending else free
        later: list[float] = []
        ready: list[Waiting] = []
        for one in (*critical, *others):
            before = first[one.message.episode]
            if before != one.id and all(before != other.id for other in ready):
                continue
            at = max(self._refused.get(one.id, (0, 0.0))[1], self._not_before)
            if one.message.severity != "critical":
                at = max(at, grouped)
            if at > now:
                later.append(at)
                continue
            ready.append(one)
            if one.message.severity == "critical" or not self._channel.merges or pace.group <= 0.0:
                break
        if ready:
            return Due(tuple(ready), self._notice(db, ready)), None
        repeated = self._repeat(db, now, free, later)
        if repeated is not None:
            return repeated, None
        return None, max(0.05, min(later) - now) if later else None

    def _notice(self, db: sqlite3.Connection, ready: list[Waiting]) -> Notice:
        """What goes next; the key of a repetition, and of several as one, is another."""
        first = ready[0]
        earlier = tuple((one.key, one.message) for one in outbox.earlier(db, self._channel.name, first))
        key = first.key + (f"/{first.times}" if first.times else "") + (f"/+{len(ready) - 1}" if ready[1:] else "")
        return Notice(digest([one.message for one in ready]), key, earlier, first.times)

    def _repeat(self, db: sqlite3.Connection, now: float, free: float, later: list[float]) -> Due | None:
        """An incident that lasts, and that is to be told again now."""
        every = self._channel.resend if self._channel.resend is not None else self._pace.repeat
        if every is None:
            return None
        for one in outbox.unresolved(db, self._channel.name, now - REMEMBERED):
            assert one.delivered is not None
            at = max(one.delivered + every, self._not_before, self._refused.get(one.id, (0, 0.0))[1])
            if one.message.severity != "critical":
                at = max(at, free)
            if at <= now and not self._stop.is_set():
                return Due((one,), self._notice(db, [one]))
            later.append(at)
        return None

    def _failed(self, db: sqlite3.Connection, due: Due, answer: Answer) -> None:
        now, pace = time.time(), self._pace
        if self._own is not None:
            self._own.exporter_failed(f"alerts/{self._channel.name}")
        if answer.outcome == "refused":
            for one in due.waiting:
                tries = self._refused.get(one.id, (0, 0.0))[0] + 1
                self._refused[one.id] = (tries, now + (answer.pause or backoff(tries, pace.first, pace.last)))
                if answer.final or tries >= REFUSALS:
                    outbox.dropped(db, self._channel.name, one.id, answer.text)
                    logger.error("channel {} refuses “{}” ({}): given up", self._channel.name, one.message.title,
                                 answer.text)  # fmt: skip
        else:
            self._tries += 1
            pause = answer.pause if answer.pause is not None else backoff(self._tries, pace.first, pace.last)
            self._not_before = now + pause
        place = self._channel.place
        self._complain(f"channel {self._channel.name} ({place}) does not take messages ({answer.text}); they are kept, "
                       "and sent again")  # fmt: skip

    def _complain(self, what: str) -> None:
        if what and what != self._told:
            logger.warning("{}", what)
        elif self._told and not what:
            logger.info("channel {} takes messages again", self._channel.name)
        self._told = what
