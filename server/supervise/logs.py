"""What the programs print: one file each, bounded, and its last lines for whoever asks why."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rli_agent.terminal import plain

#: Neither Prometheus nor Tempo limits what it writes.
MOST_BYTES = 10 << 20
KEPT = 3


def rotate(path: Path, most: int = MOST_BYTES, kept: int = KEPT) -> bool:
    """Once the file is larger than `most`, copy it to `.1` (the older ones move on) and empty it: its writer appends,
    and goes on in the same file. Whether that was done. Raises OSError."""
    try:
        if path.stat().st_size <= most:
            return False
    except FileNotFoundError:
        return False
    for number in range(kept, 1, -1):
        older = path.with_name(f"{path.name}.{number - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int) -> list[str]:
    """The last lines, escaped, each cut at 500 characters."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - 200 * 1024 - 1000 * lines)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    found = text.splitlines()
    return [plain(line)[:500] for line in (found[1:] if start else found)[-lines:]]


def follow_log(path: Path) -> Iterator[str]:
    """Lines as they are written, without end; also after the file was emptied."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        rest = b""
        while True:
            block = file.read(1 << 16)
            if not block:
                if path.stat().st_size < file.tell():
                    file.seek(0)
                time.sleep(0.5)
                continue
            *whole, rest = (rest + block).split(b"\n")
            yield from (plain(line.decode("utf-8", "replace"))[:500] for line in whole)
            rest = rest[:4096]
