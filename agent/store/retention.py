"""Keeping a store small, and copying it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from rli_agent.store.connection import read_only
from rli_agent.store.errors import StoreError, explain

#: By table: where a row's age is read, and the column.
_AGE = {
    "line_rows": ("lines", "time"), "interval_rows": ("interval_rows", '"end"'),
    "problem_rows": ("problem_rows", "time"), "rollout_rows": ("rollout_rows", "time"),
}  # fmt: skip
_AT_ONCE = 20_000  # rows a transaction: the write-ahead log stays small, and others get their turn

Transaction = Callable[[], AbstractContextManager[None]]


def older_than(db: sqlite3.Connection, transaction: Transaction, cut: float) -> int:
    """Deletes the events up to this time (Unix seconds); returns how many."""
    removed = 0
    for table, (rows, age) in _AGE.items():
        # The newest id stays, or SQLite would give it out again, to another event.
        doomed = f"SELECT id FROM {rows} WHERE {age} <= ? AND id < (SELECT max(id) FROM {table}) LIMIT {_AT_ONCE}"
        went = _AT_ONCE
        while went == _AT_ONCE:
            with transaction():
                went = db.execute(f"DELETE FROM {table} WHERE id IN ({doomed})", (cut,)).rowcount
            removed += went
    return removed


def down_to(db: sqlite3.Connection, transaction: Transaction, keep_bytes: int) -> int:
    """Deletes the oldest events until the rest needs at most this many bytes; returns how many."""
    ages = " UNION ALL ".join(f"SELECT {age} AS t FROM {rows} WHERE {age} IS NOT NULL" for rows, age in _AGE.values())
    removed = 0
    while (used := _used(db)) > keep_bytes:
        (rows,) = db.execute(f"SELECT count(*) FROM ({ages})").fetchone()
        # Rows differ in size, so the share is a guess that each round makes better; a little more than need be, or
        # every new row would ask for the next round.
        skip = min(int(rows * (1 - 0.95 * keep_bytes / used)), rows - 1)
        found = db.execute(f"SELECT t FROM ({ages}) ORDER BY t LIMIT 1 OFFSET ?", (skip,)).fetchone()
        went = older_than(db, transaction, found[0]) if found else 0
        if not went:
            break
        removed += went
    return removed


def drop_unused_names(db: sqlite3.Connection) -> None:
    """Deletes shapes and states that no row uses any more."""
    db.execute("DELETE FROM shapes WHERE NOT EXISTS (SELECT 1 FROM lines WHERE shape = shapes.id)")
    tables = ("interval_rows", "interval_open", "interval_unplaced")
    used = " UNION ".join(f"SELECT state FROM {table}" for table in tables)
    db.execute(f"DELETE FROM states WHERE id NOT IN ({used})")


def give_back(db: sqlite3.Connection) -> None:
    """Returns free pages to the file system; while somebody reads, the file shrinks with a later prune."""
    while db.execute("PRAGMA freelist_count").fetchone()[0]:
        db.execute(f"PRAGMA incremental_vacuum({_AT_ONCE})").fetchall()
    (wait,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")  # the agent never waits for a reader
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA busy_timeout = {wait}")


def _used(db: sqlite3.Connection) -> int:
    sizes = [db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")]
    return int((sizes[0] - sizes[1]) * sizes[2])


def copy_store(source: Path, target: Path) -> None:
    """Copies a store, also one that is being written, into one new file that any file system can hold.

    By SQLite's online backup in a single step: the copy is the state of one moment. Raises StoreError.
    """
    if target.exists():
        raise StoreError(f"{target} exists already: give another name, or remove it first")
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with closing(read_only(source)) as db, closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA locking_mode = EXCLUSIVE")  # no shared memory: the copy may lie on NFS
            db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        part.rename(target)
    except sqlite3.Error as error:
        raise explain(error, target) from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
