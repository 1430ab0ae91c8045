"""Which version wrote a program's data last: an older major does not understand what a newer one wrote.

Tempo 2 cannot read Tempo 3's blocks, and Prometheus before 2.55 not the index of Prometheus 3.
"""

from __future__ import annotations

from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.server.files import write_whole
from rli_agent.server.locate import Installed
from rli_agent.server.version import find_version

NAME = ".rli-agent.version"


def accept(data: Path, it: Installed) -> None:
    """Note that this version is about to write there. Raises UserError where a newer major did before."""
    note = data / NAME
    try:
        before = find_version(note.read_text())
    except (OSError, UnicodeDecodeError):
        before = None
    if before is not None and before.major > it.version.major:
        raise UserError(
            f"the data in {data} was written by {it.program} {before}, which {it.version} ({it.binary}) cannot read",
            f"start {before} again (`server install --{it.program}-version {before}`), or move that directory away",
        )
    try:
        write_whole(note, f"{it.version}\n")
    except OSError as e:
        raise UserError(f"{note} cannot be written: {e.strerror or e}") from None
