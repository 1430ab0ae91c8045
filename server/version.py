"""Versions of programs: read from text, compared, and asked of a binary."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

_NUMBERS = re.compile(r"(?<![\d.])v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?![\d.])")
#: Seconds that a program may take to say its version; the first start from a slow disk takes longest.
PATIENCE = 20.0


class Version(NamedTuple):
    """Major, minor and patch number. Suffixes like `+ds` (Debian) or `-rc.1` are not compared."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class VersionError(Exception):
    """A binary does not say its version. str() says what it did instead."""


def find_version(text: str) -> Version | None:
    """The first `N.N.N` in the text."""
    found = _NUMBERS.search(text)
    return Version(*map(int, found.groups())) if found else None


@cache
def version_of(binary: Path) -> Version:
    """What `BINARY --version` says in its first line, as all three programs do. Raises VersionError."""
    try:
        done = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise VersionError(f"{binary} --version gave no answer within {PATIENCE:.0f} s") from None
    except OSError as e:
        why = "it is for another kind of machine" if e.errno == 8 else e.strerror or str(e)  # 8: ENOEXEC
        raise VersionError(f"{binary} cannot be run: {why}") from None
    said = (done.stdout + b"\n" + done.stderr).decode(errors="replace").strip()
    first = said.splitlines()[0][:200] if said else "nothing"
    version = find_version(first)
    if version is None:
        raise VersionError(f"{binary} --version says no version, but: {first}")
    return version
