"""The run's trainers on this machine, remembered: that they are gone is an end of which no log tells (SIGKILL, often
the kernel's for memory; a session that was closed).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from rli_agent.machine.processes import began, trainers_of

#: Seconds between two looks whether they live; between two searches for others, which may take this share of the time.
EVERY, SEARCH_EVERY, SHARE = 5.0, 60.0, 1 / 2000
#: Seconds for which one must have been there: what copies logs from elsewhere comes and goes.
LASTING = 20.0


class _Seen(Struct):
    """A trainer. began: when, as the kernel counts, which tells it from a later one of the same id; since, last: when
    it was first and last seen (monotonic seconds)."""

    name: str
    began: str
    since: float
    last: float


class Trainers:
    """The processes that run a trainer (Python and the programs that start it) and write below `root`. Those of other
    users and other containers are not seen."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[int, _Seen] = {}
        self._look_at = self._search_at = 0.0
        self._wrote = False

    def lost(self, wrote: bool) -> str | None:
        """Once none is left and nothing more is written: who they were, in words. `wrote`: the run has written since
        the last call; a run that does not is not searched for trainers."""
        self._wrote |= wrote
        now = time.monotonic()
        if now < self._look_at or not (self._seen or self._wrote):
            return None
        self._look_at = now + EVERY
        for pid, seen in self._seen.items():
            if began(pid) == seen.began:
                seen.last = now
        if not self._seen or any(seen.last == now for seen in self._seen.values()):
            if self._wrote and now >= self._search_at:
                self._search(now)
            return None
        quiet = not self._wrote
        self._search(now)  # others may have taken over
        if not quiet or any(seen.last == now for seen in self._seen.values()):
            return None
        gone = {pid: seen for pid, seen in self._seen.items() if seen.last - seen.since >= LASTING}
        self._seen.clear()
        return _in_words([f"{seen.name} (pid {pid})" for pid, seen in gone.items()]) if gone else None

    def _search(self, now: float) -> None:
        self._wrote = False
        found = {pid: _Seen(name, start, now, now) for pid, name, start in trainers_of(self._root)}
        if found:
            known = {p: s for p, s in self._seen.items() if s.last == now}
            self._seen = found | known
        took = time.monotonic() - now
        self._search_at = now + max(SEARCH_EVERY if found else EVERY, took / SHARE)


def _in_words(names: Sequence[str]) -> str:
    others = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"{names[0]}{others} gone, and no log says why\nIt wrote the run's files on this machine; steps are left."
