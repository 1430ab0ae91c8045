"""What can go wrong with a store, in words that say where and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from rli_agent.errors import UserError


class StoreError(UserError):
    """The store could not do what was asked."""


class StoreFull(StoreError):
    """No room left. The transaction was rolled back; the same commit works again once there is room."""


class StoreBusy(StoreError):
    """Another process holds the store for longer than one should wait."""


class StoreDamaged(StoreError):
    """The file is not, or no longer, a sound database."""


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """The error of our own kind that an SQLite error stands for.

    By message, since Python 3.10 has no error codes on its exceptions; SQLite's English texts (sqlite3ErrStr in
    main.c) have been the same since 3.7.
    """
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return StoreDamaged(f"the store {path} is damaged ({text})")
    if "is full" in text or ("disk I/O" in text and _no_room(path.parent)):
        return StoreFull(
            f"no room to write the store {path}: free space on that disk (or raise the quota), "
            "or give another place with --state-dir; nothing is lost, the logs are read on from the same point"
        )
    if "is locked" in text:
        return StoreBusy(f"the store {path} is locked by another process: end what is writing to it")
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"the store {path} cannot be written ({text}): check its permissions or give --state-dir")
    return StoreError(f"the store {path} failed: {text}")


def _no_room(folder: Path) -> bool:
    """SQLite reports an exhausted quota (EDQUOT) as a plain I/O error; only ENOSPC becomes SQLITE_FULL (os_unix.c)."""
    probe = folder / f".room-{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 65536)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    finally:
        probe.unlink(missing_ok=True)
    return False
