"""STATUS.md while a run is watched: an entry when the watch begins, one every so often, one when the run ends or
stalls."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import tzinfo
from pathlib import Path

from rli_agent.answer.health import DOWN
from rli_agent.answer.reader import StoreReader
from rli_agent.events import Event, Source
from rli_agent.journal import logger
from rli_agent.reporters.journal import append, is_empty
from rli_agent.reporters.markdown import entry
from rli_agent.status import RunStatus
from rli_agent.store.errors import StoreError

#: Seconds until a file that could not be written is tried again.
RETRY = 60.0


class CheckIns:
    """A publisher. `every`: seconds between two entries in `path`; `status`: the run's, as the watch knows it."""

    def __init__(self, store: Path, path: Path, every: float, status: RunStatus, zone: tzinfo | None) -> None:
        self._store = store
        self._path = path
        self._every = every
        self._status = status
        self._zone = zone
        self._due: float | None = None
        self._told = ""

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """They are in the store by now."""
        del events, source, now

    def tick(self, now: float) -> None:
        """Append an entry where one is due."""
        life = self._status.life
        if self._due is None:
            self._due, self._told = self._first(now), life
        turned = life != self._told and (life in DOWN or life == "finished")
        if now < self._due and not turned:
            return
        self._told = life
        self._due = now + (self._every if self._append(now) else RETRY)

    def _first(self, now: float) -> float:
        """Now, unless an agent that was started before has just written one."""
        try:
            return now if is_empty(self._path) else self._path.stat().st_mtime + self._every
        except OSError:
            return now

    def _append(self, now: float) -> bool:
        """False where it is to be tried again: the file cannot be written, or nothing of the run was read yet."""
        try:
            with closing(StoreReader(self._store, self._zone)) as reader:
                report = reader.report(now)
            if report.health == "Unknown":
                return False
            append(self._path, entry(report, launch=is_empty(self._path)))
        except (OSError, StoreError) as error:
            logger.warning("no entry could be written into {}: {}; it is tried again", self._path, error)
            return False
        return True

    def close(self, patience: float) -> None:
        """Nothing is under way."""
        del patience
