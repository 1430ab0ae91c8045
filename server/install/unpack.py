"""Unpacks a vendor's archive without letting it out of its folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any

#: What an archive may hold. Grafana 13 has some 15,000 files and 0.9 GB.
MOST_FILES = 200_000
MOST_BYTES = 6 << 30


class ArchiveError(Exception):
    """An archive that is broken, or that would write elsewhere. str() says which and why."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz into an empty folder. Raises ArchiveError, and OSError where the disk is full."""
    # what tarfile's filter refuses is refused here too: Debian 12's Python (3.11.2) has none
    known: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    files = size = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                files, size = files + 1, size + max(0, member.size)
                if files > MOST_FILES or size > MOST_BYTES:
                    raise ArchiveError(f"{archive.name} holds more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB")
                if not _stays(member, os.path.realpath(folder)):
                    raise ArchiveError(f"{archive.name} would write outside of its folder: {member.name}")
                tar.extract(_nobodys(member), folder, **known)
    except (tarfile.TarError, EOFError, zlib.error) as e:
        raise ArchiveError(f"{archive.name} is damaged: {e}") from None
    except OSError as e:
        if e.errno is not None:
            raise
        raise ArchiveError(f"{archive.name} is damaged: {e}") from None  # gzip.BadGzipFile
    if not files:
        raise ArchiveError(f"{archive.name} is empty")


def _stays(member: tarfile.TarInfo, folder: str) -> bool:
    """Whether it is a file, a folder, or a link to one, inside of the folder as it is by now."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return False
    named = [member.name]
    if member.issym():
        named.append(os.path.join(os.path.dirname(member.name), member.linkname))
    elif member.islnk():
        named.append(member.linkname)
    paths = [os.path.realpath(os.path.join(folder, name)) for name in named]
    return all(path == folder or path.startswith(f"{folder}{os.sep}") for path in paths)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by whoever unpacks it, and written by nobody else."""
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    return member


def remove(folder: Path) -> None:
    """Remove a folder and all below it, also what is write-protected for us. What cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
