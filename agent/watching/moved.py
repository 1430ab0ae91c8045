"""Which found files are only other names of what is read already: rotated, or moved by hand.

A reader goes on with the file that its path named until that is at its end, wherever it went (see follow/succession).
So what it follows, or followed, must not be read a second time under the new name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from rli_agent.discover import Found
from rli_agent.follow.reader import Position, same_text
from rli_agent.follow.rotation import rotated_from
from rli_agent.store.run_store import Checkpoint, RunStore

#: Device and inode.
_Inode: TypeAlias = tuple[int, int]


class Beginning(NamedTuple):
    """How a file is read that is new to the watch: from a checkpoint, its own or (`is_taken_over`) that of the name it
    had before, or from its start. is_past: it is the past of another file, and so is what comes after it under its
    name; age: when that was last written, in Unix seconds."""

    found: Found
    checkpoint: Checkpoint | None
    is_past: bool = False
    is_taken_over: bool = False
    age: float = math.inf


def may_be_moved(found: Found) -> bool:
    """Whether a file could be another one under a new name. A run has thousands of record files, which nobody moves."""
    return found.source.reader == "text" or rotated_from(found.source.file) is not None


def in_order(beginnings: Iterable[Beginning]) -> list[Beginning]:
    """The past of others first, the oldest of it first of all; then by name, where attempt_10 comes after attempt_9."""
    return sorted(beginnings, key=lambda beginning: (beginning.age, _counted(beginning.found.source.file)))


def _counted(name: str) -> list[str | int]:
    """A key that orders numbers in names by their value."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def beginnings(
    fresh: Iterable[Found], store: RunStore | None, there: Container[str], followed: Container[_Inode],
    finished: Mapping[_Inode, Position],
) -> list[Beginning]:  # fmt: skip
    """Those of `fresh` that are to be read.

    `store` holds the checkpoints (None: they do not count), `there` the names of the files that exist; `followed` are
    those that are being read, and `finished` those that were read to their end, under the names that they had.
    """
    out = []
    for found in fresh:
        name = found.source.file
        own = store.checkpoint(name) if store else None
        try:
            status = os.stat(found.path)
        except OSError:  # it went away this moment: its reader will tell
            out.append(Beginning(found, own))
            continue
        inode = (status.st_dev, status.st_ino)
        base = rotated_from(name)
        base_known = base is not None and store is not None and store.checkpoint(base) is not None
        is_past = base_known or base in there
        known = own
        if own is None:
            holders = store.checkpoints_of(*inode) if store else ()
            before = next((c for c in holders if same_text(found.path, c.offset, c.fingerprint)), None)
            if inode in followed or (before is not None and before.file in there):
                continue
            if is_past and (inode in finished or (before is None and base_known)):
                continue
            if before is not None:
                own = replace(before, file=name)
            elif inode in finished:
                own = _after(finished[inode], found)
        elif store is not None and (own.device, own.inode) != inode and not is_past:
            left = (own.device, own.inode)
            if left in followed or any(c.file != name for c in store.checkpoints_of(*left)):
                own = None  # that file goes on under another name, and is read under it
        taken_over = own is not None and own is not known
        out.append(Beginning(found, own, is_past, taken_over, status.st_mtime if is_past else math.inf))
    return out


def _after(end: Position, found: Found) -> Checkpoint | None:
    """Where a file stands that was read to its end, unless another one has its inode by now."""
    if not same_text(found.path, end.offset, end.fingerprint):
        return None
    return Checkpoint(found.source.file, end.device, end.inode, end.offset, end.line, end.fingerprint, b"", 0.0)
