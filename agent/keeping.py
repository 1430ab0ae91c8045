"""From events to the store and from there to everybody: one commit a turn, then the publishers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from rli_agent.events import Event, Samples, Source
from rli_agent.overlap import Overlap
from rli_agent.parsers.rebuilding import rebuild
from rli_agent.parsers.timestamps import Shift
from rli_agent.publish.exposition import Exposition
from rli_agent.publish.publisher import Participant, Publisher
from rli_agent.status import RunStatus
from rli_agent.store.errors import StoreFull
from rli_agent.store.run_store import Checkpoint, RunStore
from rli_agent.track import Track

#: Seconds between two tries to write into a store that has no room.
RETRY = 2.0


class Keeper:
    """Commits what tracks give, together with how far they were read, and passes it on. `say` prints for people."""

    def __init__(
        self,
        store: RunStore,
        exposition: Exposition,
        status: RunStatus,
        stop: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        self.store = store
        self.exposition = exposition
        self.status = status
        self.overlap = Overlap()
        self.publishers: list[Publisher] = []
        self.participants: list[Participant] = []
        self._stop = stop
        self._say = say

    def keep(self, track: Track, events: Sequence[Event], ended: bool = False, shift: Shift | None = None) -> None:
        """Commit a file's events; at the end of an old file (`ended`) decide its times with them."""
        file = track.source.file

        def settle() -> None:
            if shift is not None:
                self.store.shift(file, shift.by, shift.before)
            self.store.place(file, rebuild(self.store.marks(file), track.reader.mtime))

        when_settled = settle if ended and (shift is not None or not track.live) else None
        sifted = self.overlap.sift(events, track.source)
        self._commit(sifted.new, track.source, [track.checkpoint], when_settled, sifted.again)
        now = time.time()
        seen = now if track.live else min(now, track.reader.mtime)  # an old file's lines are no news
        if ended:
            track.live = True
        self._pass_on(sifted.new, track.source, seen)

    def keep_facts(self, facts: Sequence[Event]) -> None:
        """Commit what discovery knows of the run."""
        self.keep_told(facts, Source("."))

    def keep_told(self, events: Sequence[Event], source: Source) -> None:
        """Commit what no file says."""
        self._commit(events, source, [], None)
        self._pass_on(events, source, time.time())

    def _pass_on(self, events: Sequence[Event], source: Source, seen: float) -> None:
        now = time.time()
        self.status.record(events, seen)
        self.exposition.record(events, source)
        self.exposition.own.committed(now)
        for publisher in self.publishers:
            publisher.record(events, source, now)

    def tick(self) -> None:
        """About once a second."""
        now = time.time()
        for publisher in self.publishers:
            publisher.tick(now)

    def _commit(
        self,
        events: Sequence[Event],
        source: Source,
        checkpoints: Sequence[Checkpoint],
        settle: Callable[[], None] | None,
        again: Sequence[Samples] = (),
    ) -> None:
        """One transaction. Where there is no room it waits and tries again: nothing is read meanwhile, nothing is
        lost."""
        told = False
        for participant in self.participants:
            participant.prepare(events, source, time.time())
        while True:
            try:
                with self.store.transaction():
                    self.store.commit(events, checkpoints)
                    self.store.correct(again)
                    if settle is not None:
                        settle()
                    for participant in self.participants:
                        participant.write()
                return
            except StoreFull as e:
                if not told:
                    self._say(f"{e}; waiting for room")
                    told = True
                if self._stop.wait(RETRY):
                    raise

    def close(self, patience: float = 5.0) -> None:
        """Let publishers finish, then close the store."""
        for publisher in self.publishers:
            publisher.close(patience)
        self.store.close()
