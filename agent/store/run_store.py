"""The store of one run: events and how far the logs were read, always together."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.events import Event, Samples, Source
from rli_agent.journal import logger
from rli_agent.parsers.rebuilding import Mark
from rli_agent.store import retention, settling
from rli_agent.store.connection import WriterLock, open_writer, set_aside
from rli_agent.store.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, explain
from rli_agent.store.exactness import Exactness
from rli_agent.store.knowledge import Knowledge
from rli_agent.store.latest import Latest, latest
from rli_agent.store.rows import RowWriter, file_key, file_name, labels_json, text

__all__ = ["Checkpoint", "Latest", "RunRow", "RunStore", "StoreBusy", "StoreDamaged", "StoreError", "StoreFull"]


class RunRow(Struct, frozen=True):
    """Which run a store is of. `run` is its id (registry.run_id), `root` where it writes, `created` when first seen."""

    run: str
    root: str
    created: float


class Checkpoint(Struct):
    """How far a source was read.

    `offset` is the first byte not yet turned into events and `line` the number of lines before it; `device`, `inode`,
    `mtime` and the opaque `fingerprint` say what file that was; `state` is the parser's, opaque.
    """

    file: str
    device: int
    inode: int
    offset: int
    line: int
    fingerprint: bytes
    state: bytes
    mtime: float


class RunStore:
    """The one writer of a run's store. Not for sharing between threads; readers take `connection.read_only`.

    Every method that writes does so in a transaction of its own, or joins the one of `with store.transaction():`.
    They raise StoreFull (no room), StoreBusy (locked by another process for a minute), StoreDamaged (the file was
    moved aside and this store is closed: open it again and read the logs from their beginning) or StoreError; the
    transaction is then rolled back, and the store can be used on, except after StoreDamaged.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, lock: WriterLock) -> None:
        self.path = path
        self._db = db
        self._lock = lock
        self._rows = RowWriter(db)
        self._exactness = Exactness(db)
        #: What the agent itself found out: the run's life and the messages about it.
        self.knowledge = Knowledge(db, self.transaction)
        self._inside = False
        self._failed = False

    @classmethod
    def open(cls, path: Path, run: RunRow) -> RunStore:
        """Opens the store, which is created, or brought to this version's layout, if need be.

        A damaged file is moved to NAME.damaged-N and a fresh one begun, which a warning in the log says. Raises
        StoreBusy while another process writes it; StoreError for a newer layout, another program's database, a
        place that cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = WriterLock(path)
            path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"the store {path} cannot be written ({error.strerror}): give --state-dir") from error
        try:
            store = cls(path, open_writer(path), lock)
            with store.transaction():
                store._db.execute(
                    "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET root = excluded.root",
                    (run.run, text(run.root), run.created),
                )
        except BaseException:
            lock.release()
            raise
        return store

    def close(self) -> None:
        """Folds the write-ahead log into the file and lets another process write. Closing twice is harmless."""
        self._db.close()
        self._lock.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes true at once, or not at all. An inner one joins the outer one.

        For example `shift` and the `commit` of the checkpoint that remembers that the stamps are settled.
        """
        if self._inside:
            try:
                yield
            except BaseException:
                self._failed = True  # half a commit must not become true because somebody caught its error
                raise
            return
        self._inside, self._failed = True, False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            if self._failed:
                raise StoreError("a part of the transaction failed, so that none of it was kept")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._explained(error) from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._inside = False

    def _roll_back(self) -> None:
        self._rows.names.clear()  # ids given out in the transaction are no longer true
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:  # closed already, being damaged
            logger.debug("rollback of {}: {}", self.path, error)

    def _explained(self, error: sqlite3.Error) -> StoreError:
        reason = explain(error, self.path)
        if not isinstance(reason, StoreDamaged):
            return reason
        self._db.close()
        target = set_aside(self.path)
        self._lock.release()
        return StoreDamaged(f"{reason}; moved to {target}: start again to read the logs from their beginning")

    def commit(self, events: Sequence[Event], checkpoints: Sequence[Checkpoint]) -> None:
        """Keeps the events and the checkpoints that they came from, in one transaction.

        An interval without end stays until one with an end comes for the same file, lane and state, and is then
        replaced. Times that are not known yet (`time` None; an "estimated" interval with `end` ≤ 0, relative to its
        line) wait for `place`.
        """
        with self.transaction():
            self._rows.write(events)
            for c in checkpoints:
                self._db.execute(
                    "UPDATE sources SET device = ?, inode = ?, offset = ?, line = ?, fingerprint = ?, state = ?, "
                    "mtime = ? WHERE id = ?",
                    (
                        _signed(c.device), _signed(c.inode), c.offset, c.line, c.fingerprint, c.state, c.mtime,
                        self._rows.names.source(c.file),
                    ),
                )  # fmt: skip

    def correct(self, again: Iterable[Samples]) -> None:
        """Takes over figures that are said again, of the same series and step, where they have more digits."""
        with self.transaction():
            self._exactness.correct(again)

    def describe(self, sources: Iterable[Source]) -> None:
        """Keeps what discovery knows of the files (role, lane, labels), for people who read the tables."""
        with self.transaction():
            for source in sources:
                self._db.execute(
                    "UPDATE sources SET role = ?, lane = ?, labels = ? WHERE id = ?",
                    (
                        source.role, text(source.lane), labels_json(source.labels),
                        self._rows.names.source(source.file),
                    ),
                )  # fmt: skip

    def checkpoint(self, file: str) -> Checkpoint | None:
        """How far a file was read."""
        return next(iter(self._checkpoints("AND file = ?", (file_key(file),))), None)

    def checkpoints(self) -> dict[str, Checkpoint]:
        """How far each file was read."""
        return {found.file: found for found in self._checkpoints()}

    def checkpoints_of(self, device: int, inode: int) -> list[Checkpoint]:
        """How far a file was read, under each name that it had."""
        return list(self._checkpoints("AND device = ? AND inode = ?", (_signed(device), _signed(inode))))

    def unsettled(self) -> set[str]:
        """The files of which something waits for `place`."""
        return {file_name(key) for (key,) in self._read(settling.UNSETTLED)}

    def _checkpoints(self, where: str = "", values: Sequence[object] = ()) -> Iterator[Checkpoint]:
        rows = self._read(
            "SELECT file, device, inode, offset, line, fingerprint, state, mtime FROM sources "
            f"WHERE offset IS NOT NULL {where}",
            values,
        )
        for key, device, inode, *rest in rows:
            yield Checkpoint(file_name(key), _unsigned(device), _unsigned(inode), *rest)

    def shift(self, file: str, by: Callable[[float], float], before_line: int | None = None) -> None:
        """Moves this file's "logged" times, of lines before `before_line` if given: stamps that lack a date.

        `by` gives, for a time, the seconds to add to it. An interval moves as a whole, by what its end moves.
        """
        with self.transaction():
            settling.shift(self._db, file_key(file), by, before_line)

    def marks(self, file: str) -> Iterator[Mark]:
        """What is needed to tell when this file's lines without time were written, newest line first.

        (line, time, seconds). `time` is None for those to be placed. Lines with a time are given too, as anchors: all
        that stand after the first line without one, and the last before it. `seconds` passed up to the line, where it
        prints the durations of a step; else None.
        Nothing when all lines have their time. Streamed; write only when it is used up (`place` does).
        """
        try:
            yield from settling.marks(self._db, file_key(file))
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def place(self, file: str, times: Iterable[tuple[int, float]]) -> None:
        """Gives lines (line, time) of this file that have no time an "estimated" one, and their intervals with them.

        `times` may be a generator over `marks`; lines that have a time, or nothing stored, are passed over.
        """
        with self.transaction():
            settling.place(self._db, file_key(file), times)

    def names(self) -> frozenset[str]:
        """The native names of all figures that were ever kept."""
        query = "SELECT DISTINCT n.value FROM shapes h JOIN json_each(h.names) n"
        return frozenset(name for (name,) in self._read(query))

    def latest(self) -> Iterator[Latest]:
        """The newest value of every series: from the last line of each file and shape, the latest of those."""
        try:
            yield from latest(self._db)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def prune(self, keep_days: float | None = None, keep_bytes: int | None = None) -> int:
        """Deletes events older than `keep_days`, then the oldest until the file needs at most `keep_bytes`.

        Returns how many rows went. Checkpoints, facts, open intervals and what has no time yet stay, so nothing is
        read again; so does the last row of each table, whose id marks how far others have read.
        """
        removed = 0
        try:
            if keep_days is not None:
                removed += retention.older_than(self._db, self.transaction, time.time() - keep_days * 86400)
            if keep_bytes is not None:
                removed += retention.down_to(self._db, self.transaction, keep_bytes)
            if removed:
                with self.transaction():
                    retention.drop_unused_names(self._db)
                    self._rows.names.clear()
                retention.give_back(self._db)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return removed

    def copy(self, path: Path) -> None:
        """Writes a copy of the store, as it stands, into one new file. Raises StoreError when there is one already."""
        retention.copy_store(self.path, path)

    def integrity(self) -> list[str]:
        """What is wrong with the file, by SQLite's own full check; empty when it is sound. Reads all of it."""
        found = [str(row[0]) for row in self._read("PRAGMA integrity_check")]
        dangling = [
            f"row {row} of {table} points to nothing in {parent}"
            for table, row, parent, _ in self._read("PRAGMA foreign_key_check")
        ]
        return [line for line in found if line != "ok"] + dangling


def _signed(number: int) -> int:
    """Inode and device numbers are unsigned 64-bit, SQLite's integers signed."""
    return number - 2**64 if number >= 2**63 else number


def _unsigned(number: int) -> int:
    return number + 2**64 if number < 0 else number
