"""Unpacks a vendor's archive without letting it out of its folder."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from rli_agent.errors import UserError

#: What an archive may hold. Grafana 13 has some 15,000 files and 0.9 GB.
MOST_FILES = 200_000
MOST_BYTES = 6 << 30


class ArchiveError(Exception):
    """An archive that is broken, or that would write elsewhere. str() says which and why."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz into an empty folder. Raises ArchiveError, and OSError where the disk is full.

    tarfile's filter `data` refuses absolute names, `..`, links that lead out, and devices (Python 3.10.12 and later).
    """
    if not hasattr(tarfile, "data_filter"):
        raise UserError(
            "this Python cannot unpack archives safely: its tarfile has no filters",
            "use Python 3.10.12, 3.11.4 or later",
        )
    files = size = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                files, size = files + 1, size + max(0, member.size)
                if files > MOST_FILES or size > MOST_BYTES:
                    raise ArchiveError(f"{archive.name} holds more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB")
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as e:
        raise ArchiveError(f"{archive.name} would write outside of its folder: {e}") from None
    except (tarfile.TarError, EOFError, zlib.error) as e:
        raise ArchiveError(f"{archive.name} is damaged: {e}") from None
    except OSError as e:
        if e.errno is not None:
            raise
        raise ArchiveError(f"{archive.name} is damaged: {e}") from None  # gzip.BadGzipFile
    if not files:
        raise ArchiveError(f"{archive.name} is empty")


def remove(folder: Path) -> None:
    """Remove a folder and all below it, also what is write-protected for us. What cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
