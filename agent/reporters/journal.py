"""STATUS.md: entries are appended, and nothing that stands there is ever changed."""

from __future__ import annotations

import os
from pathlib import Path


def append(path: Path, entry: str) -> None:
    """Append an entry, an empty line before it. Raises OSError where the file cannot be written."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        end = os.pread(descriptor, 2, max(0, size - 2))
        gap = b"" if not size or end == b"\n\n" else b"\n" if end.endswith(b"\n") else b"\n\n"
        data = gap + entry.encode("utf-8", "replace")
        written = os.write(descriptor, data)  # at once: another writer's entry stands before or behind it
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")
    finally:
        os.close(descriptor)


def is_empty(path: Path) -> bool:
    """Whether there is no entry yet."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True
