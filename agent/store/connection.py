"""Opening the SQLite file of a run: one writer, any number of readers, a damaged file set aside."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path

from rli_agent.journal import logger
from rli_agent.store.errors import StoreBusy, StoreDamaged, StoreError, explain
from rli_agent.store.schema import migrate

#: How long a commit waits for another process's transaction (a prune, somebody's sqlite3 shell).
WAIT_SECONDS = 60.0


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that reads while the writer writes (each statement sees one committed state). Close it. Threads may
    hand it on, as long as they take turns.

    Short statements only: an unfinished read keeps the write-ahead log from being folded back into the file.
    Raises StoreError where there is no such store.
    """
    if not path.is_file():
        raise StoreError(f"there is no store {path}")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return db


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection to write, the layout brought up to date. A damaged file is moved aside and a fresh one begun.

    The caller holds the file's WriterLock. Raises StoreError (newer version, another program's file, no permission).
    """
    try:
        return _prepared(path)
    except StoreDamaged as damage:
        logger.warning("{}; moved to {}, and the logs are read again from their beginning", damage, set_aside(path))
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
        # Before the first table, or never: lets `prune` give pages back without rewriting the file.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate(db, path)
        # After a power cut, WAL with NORMAL may lack the last transactions, never parts of one.
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"the file system of {path} cannot hold the store (no WAL): give --state-dir a local disk")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA journal_size_limit = 33554432")
        db.execute("PRAGMA secure_delete = OFF")  # on in Debian's build: overwrites what is deleted
        db.execute("SELECT count(*) FROM sources").fetchone()
    except sqlite3.Error as error:
        if db:
            db.close()
        raise explain(error, path) from error
    except StoreError:
        if db:
            db.close()
        raise
    return db


def set_aside(path: Path) -> Path:
    """Moves the file and what belongs to it to NAME.damaged-N (the first N that is free); returns that path.

    Raises StoreError when they cannot be moved.
    """
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
    except OSError as error:
        raise StoreError(f"the store {path} is damaged and cannot be moved ({error.strerror}): remove it") from error
    return target


class WriterLock:
    """Held by the one process that writes a store: two readers of the same logs would double every event.

    The kernel drops it when the process dies, however it dies. The holder's process id stands in the file.
    """

    def __init__(self, store: Path, wait: float = 2.0) -> None:
        """Raises StoreBusy when it is held for longer than `wait` seconds (`runs` holds it for an instant)."""
        self._fd = os.open(store.with_name(store.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(0.02)
                    continue
                holder = os.read(self._fd, 32).decode(errors="replace").strip()
                self.release()
                raise StoreBusy(
                    f"another rli-agent (process {holder or 'unknown'}) already writes the store {store}: "
                    "end that one, or give this one a --state-dir of its own"
                ) from None
            except OSError as error:  # a file system without locks: better one unguarded writer than none
                logger.warning("{} cannot be locked ({}): start only one rli-agent on this run", store, error.strerror)
                break
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets another process write. Doing so twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
