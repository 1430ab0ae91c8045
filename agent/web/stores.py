"""The runs that the page shows: their stores, opened when they are asked for."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path

import msgspec

from rli_agent.answer.report import Report, brief
from rli_agent.query.run import RunQueries
from rli_agent.store.connection import read_only
from rli_agent.store.errors import StoreError, explain
from rli_agent.store.registry import is_held

#: Runs that are shown, and stores that are open at once.
MOST, OPEN = 100, 12
#: Seconds for which the list of runs, and whether one is watched, hold.
LISTED, HELD = 1.0, 2.0
#: Seconds after which how a run is changes though nothing was stored; reports take this share of a processor at most.
STALE, SHARE = 5.0, 0.1
#: Seconds that one listing of all runs may take: a report that is not there by then comes with the next one.
PATIENCE = 0.15


class UnknownRun(Exception):
    """No such run is shown."""


class _Run:
    """A run whose store is open."""

    def __init__(self, store: Path, zone: tzinfo | None) -> None:
        self.store = store
        self.inode = store.stat().st_ino
        self.queries = RunQueries(store, zone)
        self._db = read_only(store)
        self._lock = threading.Lock()
        self._report: tuple[int, float, float, bytes] | None = None  # version, when, what it cost, the report
        self._held, self._looked = False, 0.0

    def close(self) -> None:
        with self._lock:
            self._db.close()
        self.queries.close()

    @property
    def held(self) -> bool:
        """Whether an agent writes the store."""
        if time.monotonic() - self._looked > HELD:
            self._held, self._looked = is_held(self.store), time.monotonic()
        return self._held

    def version(self) -> int:
        with self._lock:
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
            return int(version)

    def report(self) -> bytes:
        """How the run is, as JSON; asked again where it may have changed, unless it was asked just now."""
        version, now = self.version(), time.monotonic()
        if self._report is not None:
            known, made, cost, text = self._report
            soon = now - made < cost / SHARE
            if soon or (known == version and (not self.held or now - made < STALE)):
                return text
        text = msgspec.json.encode(brief(self.queries.report()))
        self._report = (version, time.monotonic(), time.monotonic() - now, text)
        return text


class Stores:
    """find: gives the paths of all stores that are to be shown, the foremost first. May be asked by several threads."""

    def __init__(self, find: Callable[[], Iterable[Path]], zone: tzinfo | None = None) -> None:
        self._find = find
        self._zone = zone
        self._lock = threading.Lock()
        self._listed: tuple[float, dict[str, Path]] | None = None
        self._runs: dict[str, _Run] = {}
        self._told: dict[str, tuple[object, bytes]] = {}  # the last report of a store, as it was then

    def listed(self) -> dict[str, Path]:
        """The stores by run id, the foremost first."""
        with self._lock:
            if self._listed is None or time.monotonic() - self._listed[0] > LISTED:
                found: dict[str, Path] = {}
                for path in self._find():
                    if path.is_file():
                        found.setdefault(path.parent.name, path)
                    if len(found) == MOST:
                        break
                self._listed = (time.monotonic(), found)
            return self._listed[1]

    def queries(self, run: str) -> RunQueries:
        """A run, to be asked. Raises UnknownRun, StoreError."""
        return self._get(run).queries

    def report(self, run: str) -> bytes:
        """How a run is, as JSON (a brief Report). Raises UnknownRun, StoreError."""
        one = self._get(run)
        with _explained(one.store):
            return one.report()

    def version(self, run: str) -> int:
        """Another number once something was stored of the run. Raises UnknownRun, StoreError."""
        one = self._get(run)
        with _explained(one.store):
            return one.version()

    def is_live(self, run: str) -> bool:
        """Whether an agent watches the run now. Raises UnknownRun, StoreError."""
        return self._get(run).held

    def reports(self) -> bytes:
        """How all runs are: a RunList as JSON."""
        found: list[msgspec.Raw] = []
        unreadable: list[str] = []
        left = 0
        until = time.monotonic() + PATIENCE
        for run, path in self.listed().items():
            try:
                stamp = _stamp(path)
                known = self._told.get(run)
                if run not in self._runs and known is not None and known[0] == stamp:
                    found.append(msgspec.Raw(known[1]))  # nobody wrote it since
                elif run not in self._runs and time.monotonic() > until and found:
                    left += 1
                else:
                    text = self.report(run)
                    self._told[run] = (stamp, text)
                    found.append(msgspec.Raw(text))
            except StoreError as error:
                unreadable.append(str(error))
            except (UnknownRun, OSError):  # it was deleted just now
                continue
        return msgspec.json.encode({"runs": found, "more": left, "unreadable": unreadable})

    def close(self) -> None:
        with self._lock:
            for one in self._runs.values():
                one.close()
            self._runs.clear()

    def _get(self, run: str) -> _Run:
        path = self.listed().get(run)
        if path is None:
            raise UnknownRun(run)
        with self._lock:
            one = self._runs.pop(run, None)
            try:
                if one is not None and (one.store != path or one.inode != path.stat().st_ino):  # begun afresh
                    one.close()
                    one = None
                self._runs[run] = one = one or _Run(path, self._zone)
            except FileNotFoundError:
                raise UnknownRun(run) from None
            while len(self._runs) > OPEN:
                self._runs.pop(next(iter(self._runs))).close()
            return one


@contextmanager
def _explained(store: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:  # also where it was closed meanwhile, being one of many
        raise explain(error, store) from error


def _stamp(store: Path) -> object:
    """Another one after each write."""
    parts = [store, store.with_name(f"{store.name}-wal")]
    return [(found.st_size, found.st_mtime_ns) for part in parts if part.exists() for found in (part.stat(),)]


class RunList(msgspec.Struct, frozen=True):
    """How all runs are, as docs/status.md has it: watched ones first, then those written last. `more`: runs of which
    that could not be told so soon; ask again. `unreadable`: what is wrong with stores that cannot be read."""

    runs: list[Report]
    more: int
    unreadable: list[str]
