"""`rli-agent server uninstall`: removes what we installed, and with `data` also what the stack wrote."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.server.files import locked, make_folder
from rli_agent.server.install import manifest
from rli_agent.server.install.carry_out import MARK
from rli_agent.server.places import Places
from rli_agent.server.programs import NAMES
from rli_agent.server.supervise.state import read_state, supervised, survivors


def what_goes(places: Places, only: Sequence[str], data: bool) -> list[Path]:
    """The directories that would be removed: versions that we installed, and never what others did."""
    folders = [mark.parent for n in NAMES if not only or n in only for mark in (places.services / n).glob(f"*/{MARK}")]
    if not only:
        folders.append(places.downloads)
    if data:
        folders += [places.data / n for n in only] if only else [places.server]
    return [f for f in folders if f.is_dir() and not f.is_symlink()]


def remove(places: Places, folders: Sequence[Path]) -> None:
    """Raises UserError while anything runs, and where something cannot be removed."""
    state = read_state(places.state)
    if supervised(state) or survivors(state):
        raise UserError("the stack runs", "rli-agent server stop first")
    make_folder(places.services)
    with locked(places.services / ".lock", "an installation is under way; wait for it"):
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except OSError as e:
                raise UserError(f"{e.filename or folder} cannot be removed: {e.strerror or e}") from None
            with contextlib.suppress(OSError):  # others have something there
                folder.parent.rmdir()
        manifest.forget(places.manifest, folders)
