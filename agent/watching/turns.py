"""Reading in turns: each file gives what is new, none keeps the others waiting for long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice

from rli_agent.keeping import Keeper
from rli_agent.track import Taken, Track
from rli_agent.watching.files import RunFiles

#: Bytes that all files together may give in one turn, so that none waits long; what each may give at least.
TURN, SHARE = 16 << 20, 1 << 19
#: Bytes of a turn in which a file is caught up with before others are followed: a commit looks at more than its events.
CATCH_UP = 64 << 20
#: Seconds after which a turn leaves bulk to the next one, so that logs do not wait; how much of it is tried in a turn.
PORTION = 0.05
OWED = 256
#: Seconds of quiet after which a problem that waits for more lines is told.
QUIET = 1.0
#: Seconds for which it need not be kept how far a file was read whose lines tell nothing, as most do: a commit costs
#: more than to read them once more after a kill.
UNTOLD = 2.0
#: Seconds between two looks at which files have something to do at a certain time.
DUE = 0.1


class Turns:
    """Whose turn it is among a run's files. What they give goes to `keeper`; `stop` is set when the watch is told to
    end."""

    def __init__(self, files: RunFiles, keeper: Keeper, stop: threading.Event) -> None:
        self._files = files
        self._keeper = keeper
        self._stop = stop
        self._owed: dict[Track, None] = {}  # those whose turn has not come yet
        self._busy: set[Track] = set()  # those that may have more to give, or something to do at a certain time
        self._due_at = 0.0
        #: Files of which lines were read that told nothing: since when, how many, and how many bytes.
        self._untold: dict[Track, tuple[float, int, int]] = {}
        #: Files in whose midst reading is: their times may still change.
        self.unsettled: frozenset[str] = frozenset()

    @property
    def owes(self) -> bool:
        """Whether a file's turn has not come yet."""
        return bool(self._owed)

    @property
    def waits(self) -> bool:
        """Whether a file is known to have more."""
        return self.owes or any(track.reader.more for track in self._busy)

    def owe(self, tracks: Iterable[Track]) -> None:
        """Their turn comes later."""
        self._owed.update(dict.fromkeys(tracks))

    def forget(self, track: Track) -> None:
        """The file is gone, or rests."""
        self.unsettled -= {track.source.file}
        self._busy.discard(track)
        self._owed.pop(track, None)
        self._untold.pop(track, None)

    def due(self, fresh: Iterable[Track], now: float) -> list[Track]:
        """Those that changed, those that are due, and some of those that waited. `now` by the monotonic clock."""
        if now >= self._due_at:
            self._due_at = now + DUE
            self._busy = {track for track in self._busy if track.is_busy}
            due = {track for track in self._busy if track.is_due(now)}
        else:
            due = {track for track in self._busy if track.reader.more}
        due.update(fresh)
        return [*due, *(track for track in islice(self._owed, OWED) if track not in due)]

    def take(
        self, tracks: Sequence[Track], *, last: bool = False, patience: float = 0.0, most: int = TURN
    ) -> list[Track]:  # fmt: skip
        """Let each file give what is new, in portions; the files that have more. All together give about `most` bytes.
        Told to stop, it goes on for `patience` seconds. Bulk comes after the others, and waits for the next turn where
        this one took too long. `last`: nothing more will come."""
        more = []
        begun = time.monotonic()
        end = begun + patience
        until = math.inf if last else begun + max(PORTION, patience)
        budget = max(SHARE, most // max(1, len(tracks)))
        for track in sorted(tracks, key=_is_bulk):
            if self._stop.is_set() and time.monotonic() >= end:
                break
            if track.is_bulk and time.monotonic() >= until:
                self._owed[track] = None
                continue
            self._owed.pop(track, None)
            taken = track.take(budget, time.time(), last=last, until=until if track.is_bulk else math.inf)
            self._files.was_read(track)
            self._keep(track, taken, last)
            if not taken.ended:
                more.append(track)
            self._busy.add(track)
        return more

    def _keep(self, track: Track, taken: Taken, last: bool) -> None:
        told = taken.events or taken.shift is not None or taken.broken or last or track.source.file in self.unsettled
        if track.live and taken.bytes and not told:
            since, lines, size = self._untold.get(track) or (time.monotonic(), 0, 0)
            self._untold[track] = since, lines + taken.lines, size + taken.bytes
            return
        _, lines, size = self._untold.pop(track, (0.0, 0, 0))
        taken = taken._replace(lines=taken.lines + lines, bytes=taken.bytes + size)
        read = bool(taken.bytes or taken.events)
        if taken.ended and track.settled and not read and taken.shift is None:
            track.live = True  # nothing is new since its checkpoint
            track.rest()
        elif read or (taken.ended and not track.live):
            if not taken.ended:
                self.unsettled |= {track.source.file}
            self._keeper.keep(track, taken.events, taken.ended, taken.shift)
            self._tell_slow_rules(track)
            if taken.ended and track.source.file in self.unsettled:
                self.unsettled -= {track.source.file}
            self._count(track, taken.lines, taken.bytes, taken.broken)

    def flush_quiet(self, quiet: float = QUIET) -> None:
        """Have those that were quiet for so many seconds give what they hold back, and keep how far all were read."""
        now, moment = time.time(), time.monotonic()
        for track in [t for t, (since, _, _) in self._untold.items() if moment - since >= min(quiet, UNTOLD)]:
            _, lines, size = self._untold.pop(track)
            self._keeper.keep(track, [])
            self._tell_slow_rules(track)
            self._count(track, lines, size)
        for track in self._busy:
            if track.is_overdue(now, quiet):
                self._keeper.keep(track, track.flush())
                track.rest()

    def _tell_slow_rules(self, track: Track) -> None:
        for rule, times in track.slow_rules():
            self._keeper.exposition.own.rule_timed_out(rule, times)

    def _count(self, track: Track, lines: int, size: int, broken: int = 0) -> None:
        metrics = self._keeper.exposition.own
        metrics.read(track.source.role, lines, size)
        if broken > 0:
            metrics.parse_errors(track.source.role, broken)
        lag = track.reader.lag
        metrics.lag(track.source.file, lag, max(0.0, time.time() - track.reader.mtime) if lag else 0.0)


def _is_bulk(track: Track) -> bool:
    return track.is_bulk
