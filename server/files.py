"""Files and directories of the stack: written whole or not at all, locked, and made with words for what goes wrong."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rli_agent.errors import UserError


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Readers see the old file or the new one, never half of one. Raises OSError."""
    # The name begins with a dot: no pattern that readers watch matches it.
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def make_folder(path: Path, private: bool = False) -> None:
    """Make a directory and those above it. Raises UserError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if private:
            path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as e:
        hint = "make it writable, or choose another directory with --root DIR"
        raise UserError(f"the directory {path} cannot be written: {e.strerror or e}", hint) from None


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it and its copies are closed, also by the end of a process; None where
    somebody else holds it. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock meanwhile. Raises UserError with the text `busy` where another process holds it."""
    try:
        handle = try_lock(path)
    except OSError as e:
        raise UserError(f"{path} cannot be locked: {e.strerror or e}") from None
    if handle is None:
        raise UserError(busy)
    try:
        yield
    finally:
        os.close(handle)
