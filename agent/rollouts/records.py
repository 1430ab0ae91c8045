"""The rollout files of a run, and their records one after the other, whatever their size."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rli_agent.discover import Scan
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.record_parser import path_fits
from rli_agent.parsers.rollouts.reading import Reader
from rli_agent.parsers.rollouts.tables import rows
from rli_agent.rulebook import Rulebook

TABLE = ".parquet"
#: Bytes beyond which a record is passed over.
LONGEST = 64 << 20


class RolloutFile(NamedTuple):
    """A file of rollouts; `reader` knows its schema."""

    path: Path
    name: str
    reader: Reader


class Record(NamedTuple):
    """A line of a file; `data` is empty for one that is longer than LONGEST."""

    line: int
    offset: int
    data: bytes


def rollout_files(scan: Scan, book: Rulebook) -> list[RolloutFile]:
    """The run's files that hold each rollout once (a file that repeats a part of another one's is left out)."""
    found = []
    for source in scan.found:
        if source.source.role != "rollouts":
            continue
        file = rollout_file(source.path, source.source.file, book.packs_of(source.source))
        if file is not None:
            found.append(file)
    return found


def rollout_file(path: Path, name: str, packs: Sequence[Pack]) -> RolloutFile | None:
    """The file as these packs describe it; None where none does, or where it repeats a part of another one."""
    specs = [r for p in packs for r in p.rollouts if path_fits(r.paths, str(path))]
    return RolloutFile(path, name, Reader(specs, str(path))) if specs and not specs[0].part else None


def records(path: Path) -> Iterator[Record]:
    """The lines of a file that hold something, or the rows of a table (the number of one is its offset). Raises
    OSError; ValueError for what is no such table."""
    if path.suffix == TABLE:
        for number, data in enumerate(rows(path.read_bytes())):
            yield Record(number + 1, number, data)
        return
    line = offset = 0
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        while data := file.readline(LONGEST):
            line += 1
            size = len(data)
            if size == LONGEST and not data.endswith(b"\n"):
                data = b""
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    size += len(rest)
                size += len(rest)
            if not data or not data.isspace():
                yield Record(line, offset, data)
            offset += size


def record_at(path: Path, offset: int) -> bytes:
    """The line that begins at a byte, or the row of that number. Raises as `records` does."""
    if path.suffix == TABLE:
        return next(islice(rows(path.read_bytes()), offset, None), b"")
    with open(path, "rb") as file:
        file.seek(offset)
        return file.readline(LONGEST)


def newest_first(files: Sequence[RolloutFile]) -> list[RolloutFile]:
    """By the step that their paths tell; those that tell none last."""
    return sorted(files, key=lambda f: -1 if f.reader.step is None else f.reader.step, reverse=True)
