"""Where a file went whose path now names another one, or nothing; and whose past a file is, by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_STAMP = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?[\d:_-]+)?"
#: train.log.1 (logrotate, RotatingFileHandler), train.log-20261121 and train.log.2026-11-21 (by date),
#: train.2026-11-21_10-00-00_000000.log (loguru).
_ROTATED = (
    re.compile(rf"(?P<base>.+)(?:\.\d{{1,4}}|[.-]{_STAMP})"),
    re.compile(rf"(?P<base>.+)\.{_STAMP}(?P<end>\.\w+)"),
)


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
    for candidate in _candidates(path, inode, real):
        try:
            status = os.stat(candidate)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (device, inode):
            return candidate
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


def rotated_between(path: str, moved: str) -> list[str]:
    """What `path` named after the file that is now at `moved` and before it names the present one, oldest first.

    Rotation by numbers (logrotate, Python's RotatingFileHandler) shifts `log.1` to `log.2` and so on: a file that is
    found at `log.3` has `log.2` and `log.1` after it. Names by date tell nothing of the kind.
    """
    prefix, _, number = moved.rpartition(".")
    if prefix != path or not number.isdecimal():
        return []
    return [f"{path}.{count}" for count in range(int(number) - 1, 0, -1)]
