"""Which found files are only other names of what is read already: rotated, or moved by hand.

A reader goes on with the file that its path named until that is at its end, wherever it went (see follow/succession).
So what it follows, or followed, must not be read a second time under the new name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from rli_agent.discover import Found
from rli_agent.follow.reader import Position, same_text
from rli_agent.follow.rotation import identity, rotated_from
from rli_agent.store.run_store import Checkpoint, RunStore

#: Device and inode.
_Inode: TypeAlias = tuple[int, int]


class Beginning(NamedTuple):
    """How a file is read that is new to the watch: from a checkpoint, its own or one that is made for it (`is_claim`:
    to be committed before anything is read, so that a later watch knows whose file that is). None: whatever the path
    names, from its start. is_past: it is the past of another file, and so is what comes after it under its name; age:
    when that was last written, in Unix seconds."""

    found: Found
    checkpoint: Checkpoint | None
    is_past: bool = False
    is_claim: bool = False
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


def where(files: Iterable[Found]) -> dict[str, _Inode]:
    """Which file each of those names that could be another one under a new name; those that are gone left out."""
    at = {}
    for found in filter(may_be_moved, files):
        with suppress(OSError):
            at[found.source.file] = identity(os.stat(found.path))
    return at


def beginnings(
    fresh: Iterable[Found], at: Mapping[str, _Inode], store: RunStore | None, there: Container[str],
    tracked: Container[str], followed: Container[_Inode], finished: Mapping[_Inode, Position],
) -> list[Beginning]:  # fmt: skip
    """Those of `fresh` that are to be read, as they were `at` one moment: what is renamed from then on is the affair of
    the readers. The others are read under another name.

    `store` holds the checkpoints (None: they do not count), `there` the names of the files that exist, `tracked` of
    those that have a reader; `followed` are the files that are being read, and `finished` those that were read to their
    end, under the names that they had.
    """
    fresh = list(fresh)
    paths = {at[found.source.file]: found.path for found in fresh if found.source.file in at}

    def is_there(row: Checkpoint) -> bool:
        """Whether its file is among the fresh ones; another one may have its inode by now, if it was deleted."""
        path = paths.get((row.device, row.inode))
        return path is not None and same_text(path, row)

    def is_gone(row: Checkpoint) -> bool:
        """Whether neither its name nor another one has its file."""
        return at.get(row.file) != (row.device, row.inode) and not is_there(row)

    out = []
    for found in fresh:
        name = found.source.file
        known = own = store.checkpoint(name) if store else None
        inode = at.get(name)
        if inode is None:  # it went away this moment: its reader will tell
            out.append(Beginning(found, own))
            continue
        base = rotated_from(name)
        row = store.checkpoint(base) if store and base is not None else None
        base_is_known = base in tracked or row is not None
        is_past = base_is_known or base in there
        # Who reads the base goes on from the file that it had. Before any was read, and where that is gone and this one
        # is newer, each file of the past is read by itself: under the name that it has now.
        by_itself = is_past and base not in tracked and (row is None or (is_gone(row) and _age(found) > row.mtime))
        if own is not None and (own.device, own.inode) != inode:
            left = (own.device, own.inode)
            if is_past:
                goes_on = by_itself or not is_there(own)
            else:
                others = store.checkpoints_of(*left) if store else ()
                goes_on = left in followed or any(c.file != name and is_there(c) for c in others)
            if goes_on:
                own = None  # that file is read under another name, or is no more
        if own is None:
            holders = store.checkpoints_of(*inode) if store else ()
            read = [c for c in holders if same_text(found.path, c)]
            before = max(read, key=lambda c: c.offset, default=None)
            if inode in followed:
                continue
            if before is not None and before.file in there and not (by_itself and rotated_from(before.file) == base):
                continue
            if is_past and (inode in finished or (before is None and not by_itself)):
                continue
            if before is not None:
                own = replace(before, file=name)
            elif inode in finished:
                own = _after(finished[inode], found)
        own = own or Checkpoint(name, *inode, 0, 1, b"", b"", 0.0)
        is_claim = own is not known and (is_past or own.offset > 0)
        out.append(Beginning(found, own, is_past, is_claim, _age(found) if is_past else math.inf))
    return out


def _age(found: Found) -> float:
    """When it was last written, in Unix seconds; 0 for one that is gone."""
    try:
        return found.path.stat().st_mtime
    except OSError:
        return 0.0


def _after(end: Position, found: Found) -> Checkpoint | None:
    """Where a file stands that was read to its end, unless another one has its inode by now."""
    if not same_text(found.path, end):
        return None
    return Checkpoint(found.source.file, end.device, end.inode, end.offset, end.line, end.fingerprint, b"", 0.0)
