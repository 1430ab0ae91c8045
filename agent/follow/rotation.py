"""Where a file went whose path now names another one, or nothing; and whose past a file is, by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import count

_STAMP = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?[\d:_-]+)?"
#: train.log.1 (logrotate, RotatingFileHandler), train.log-20261121 and train.log.2026-11-21 (by date),
#: train.2026-11-21_10-00-00_000000.log (loguru).
_ROTATED = (
    re.compile(rf"(?P<base>.+)(?:\.\d{{1,4}}|[.-]{_STAMP})"),
    re.compile(rf"(?P<base>.+)\.{_STAMP}(?P<end>\.\w+)"),
)

#: How often names are read again that change meanwhile.
TRIES = 10


@lru_cache(maxsize=8192)
def rotated_from(name: str) -> str | None:
    """What a rotated file was called before, if its name says that it was rotated."""
    for form in _ROTATED:
        if match := form.fullmatch(name):
            return match["base"] + (match.groupdict().get("end") or "")
    return None


def find_moved(path: str, device: int, inode: int, real: str = "") -> str | None:
    """A path that leads to the file (device, inode), which `path` named before.

    Looked for where it really lay (`real`, if known), in the same directories under another name, and, if `path` leads
    through a symbolic link, in what lies beside the link's target: `logs/latest` may have been pointed elsewhere.
    """
    missed = None
    for _ in range(TRIES):
        candidates = list(_candidates(path, inode, real))
        for candidate in candidates:
            with suppress(OSError):
                if identity(os.stat(candidate)) == (device, inode):
                    return candidate
        if candidates == missed:  # otherwise it may have been renamed while the directory was read
            break
        missed = candidates
    return None


def _candidates(path: str, inode: int, real: str) -> Iterator[str]:
    if real:
        yield real
    for directory in dict.fromkeys(os.path.dirname(name) for name in (real, path) if name):
        for entry in _entries(directory):
            if entry.inode() == inode:
                yield entry.path
    link = os.path.abspath(path)
    while os.path.dirname(link) != link:
        if os.path.islink(link):
            beside = os.path.dirname(os.path.abspath(os.path.join(os.path.dirname(link), os.readlink(link))))
            rest = os.path.relpath(path, link)
            for entry in _entries(beside):
                yield entry.path if rest == "." else os.path.join(entry.path, rest)
        link = os.path.dirname(link)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory or ".") as entries:
            return list(entries)
    except OSError:
        return []


def named_since(path: str, device: int, inode: int) -> list[tuple[str, os.stat_result]] | None:
    """What `path` has named since the file (device, inode), oldest first, the present one last; each with where it is.

    Rotation by numbers (logrotate, Python's RotatingFileHandler) shifts `log.1` to `log.2` and so on: a file that is
    found at `log.3` has `log.2` and `log.1` after it. Names by date are in order. Of a file that is nowhere among them
    only the present one is told. None while the names are being changed.
    """
    before = None
    for _ in range(TRIES):
        orders = [_numbered(path), _dated(path)]
        same = [(name, *identity(status)) for names in orders for name, status in names]
        if same == before:  # nothing was renamed between the two, so all of it was true at one moment
            break
        before = same
    else:
        return None
    for names in orders:
        at = next((n for n, (_, status) in enumerate(names) if identity(status) == (device, inode)), None)
        if at is not None:
            return names[:at][::-1]
    return [entry for entry in orders[0] if entry[0] == path]


def identity(status: os.stat_result) -> tuple[int, int]:
    """Device and inode."""
    return status.st_dev, status.st_ino


def _numbered(path: str) -> list[tuple[str, os.stat_result]]:
    """The files of a rotation by numbers, the newest first. One number may be missing for the moment of its shift."""
    found, missing = list[tuple[str, os.stat_result]](), 0
    for number in count():
        name = f"{path}.{number}" if number else path
        try:
            found.append((name, os.stat(name)))
        except OSError:
            missing += 1
            if missing > 2:
                break
    return found


def _dated(path: str) -> list[tuple[str, os.stat_result]]:
    """The files of a rotation by date, the newest first."""
    base = os.path.basename(path)
    dated = [e.path for e in _entries(os.path.dirname(path)) if rotated_from(e.name) == base and not _counts(e.name)]
    found = list[tuple[str, os.stat_result]]()
    for name in (path, *sorted(dated, reverse=True)):
        with suppress(OSError):
            found.append((name, os.stat(name)))
    return found


def _counts(name: str) -> bool:
    return len(name.rpartition(".")[2]) < 5 and name.rpartition(".")[2].isdecimal()
