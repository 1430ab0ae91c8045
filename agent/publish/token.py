"""The token that opens the page: whoever shares the machine can reach its port, and prompts are private."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "page-token"


def page_token(state: Path) -> str:
    """The token of a state directory, made if need be; it stays the same, so that a page in a browser goes on when the
    agent is started again. Raises OSError where it can be neither read nor kept."""
    path = state / NAME
    known = _read(path)
    if known is not None:
        return known
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{NAME}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.urandom(24).hex() + "\n")
    try:
        os.link(fresh, path)  # of two agents that start at once the first one's stands
    except FileExistsError:
        if _read(path) is None:
            fresh.replace(path)  # of another user, or open to others: nobody is to know it
    finally:
        fresh.unlink(missing_ok=True)
    made = _read(path)
    if made is None:
        raise OSError(f"{path} cannot be read back")
    return made


def _read(path: Path) -> str | None:
    """The token in this file; None where there is none, or others can read or could have written it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
            found = os.fstat(file.fileno())
            text = file.read(200).strip()
    except (OSError, ValueError):
        return None
    safe = found.st_uid == os.getuid() and not found.st_mode & 0o077
    return text if safe and len(text) >= 32 and text.isalnum() else None
