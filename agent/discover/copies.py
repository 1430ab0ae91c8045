"""Logs that hold what another one holds too: `tee train.log` in a batch script, whose scheduler keeps the console as
`slurm-4711.out`; a program that logs to a file and to its console alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping
from functools import lru_cache

from rli_agent.discover.look import FEWEST_MARKS, Look
from rli_agent.discover.tree import Entry
from rli_agent.follow.rotation import rotated_from

#: Bytes and seconds by which the one that holds less may be ahead: `tee` writes to one after the other.
AHEAD, LATER = 65_536, 60.0


def copies(looks: Mapping[str, Look], entries: Mapping[str, Entry], read: Container[str]) -> dict[str, str]:
    """Of the files whose beginning stands in one of another name that is as long and as new: which that is.

    `read`: those that are being read; none of them is left for a file that has just come, as a backup has. Of two that
    begin alike the first by name is the one to read. Ranks, whose names differ by a number only, and what was rotated
    are no copies.
    """
    marked = {p: v for p, v in looks.items() if len(v.marks) >= FEWEST_MARKS and rotated_from(p) is None}
    beginning: dict[int, list[str]] = {}
    for path, look in marked.items():
        beginning.setdefault(look.marks[0], []).append(path)
    held_by: dict[str, set[str]] = {}
    for path, look in marked.items():
        for at, mark in enumerate(look.marks):
            for part in beginning.get(mark, ()):
                if (
                    _kind(part) != _kind(path)
                    and (part not in read or path in read)
                    and entries[part].size <= entries[path].size + AHEAD
                    and entries[part].mtime <= entries[path].mtime + LATER
                    and _follow_on(look.marks[at:], marked[part].marks[:FEWEST_MARKS])
                ):
                    held_by.setdefault(part, set()).add(path)
    found = {}
    for part, holders in held_by.items():
        whole = [path for path in holders if part not in held_by.get(path, ()) or path < part]
        if whole:
            found[part] = min(whole)
    return found


@lru_cache(maxsize=8192)
def _kind(path: str) -> str:
    return re.sub(r"\d+", "", os.path.basename(path))


def _follow_on(marks: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether all that is wanted is among the marks, in this order."""
    rest = iter(marks)
    return all(mark in rest for mark in wanted)
