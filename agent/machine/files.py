"""What the file system knows of a file beside what is in it."""

from __future__ import annotations

from pathlib import Path

from rli_agent.machine.programs import output


def lived(path: Path) -> float | None:
    """Seconds from a file's birth to its last change; a copy has lived no time, or less than none. None where that is
    not known: Python 3.10 does not tell a file's birth on Linux, `stat` of coreutils does where the file system keeps
    it."""
    born, _, changed = (output(["stat", "--format=%W %Y", str(path)]) or "").strip().partition(" ")
    if not (born.isdigit() and changed.isdigit()) or born == "0":
        return None
    return float(changed) - float(born)
