"""Where the stores lie: on a disk of this machine, never on a network file system.

SQLite's write-ahead log needs memory that all who open the file share, which a network file system does not give
(https://www.sqlite.org/wal.html, "Overview").
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rli_agent.follow.filesystems import file_system_type, is_network

__all__ = ["file_system_type", "state_dir"]


def state_dir(explicit: Path | None, home: Path) -> tuple[Path, str]:
    """The directory that holds the runs' stores, and why it is none that one would expect ("" where it is).

    `explicit` (from --state-dir) is taken as it is. Else ~/.rl-insight, if the home is on a local disk and can be
    written; else a directory of this user's own in the node's scratch space, which is made here, since others may
    write beside it.
    """
    if explicit is not None:
        if not is_network(explicit):
            return explicit, ""
        return explicit, (
            f"{explicit} is on {file_system_type(explicit)}: SQLite may damage it there; better give a directory on a "
            "disk of this machine"
        )
    state = home / ".rl-insight"
    remote = is_network(state)
    if not remote and _writable(state):
        return state, ""
    reason = f"the home directory {home} is on {file_system_type(state)}" if remote else f"{home} cannot be written"
    for scratch in _scratch():
        own = scratch / f"rl-insight-{os.getuid()}"
        if not is_network(own) and _make_own(own):
            return own, (
                f"on this node's scratch space, because {reason}; what is lost with it is read again from the logs; "
                "--state-dir chooses another place"
            )
    return state, (
        f"although {reason}, because no scratch space of this node can be written; "
        "give a local directory with --state-dir"
    )


def _scratch() -> list[Path]:
    named = [os.environ.get(name) for name in ("SLURM_TMPDIR", "TMPDIR")]
    return [Path(name) for name in (*named, "/var/tmp", "/tmp") if name]


def _writable(path: Path) -> bool:
    """Whether this directory can be written, or made."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _make_own(path: Path) -> bool:
    """Makes a directory that nobody else can enter; False if that fails, or if somebody else made it before."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return False
    private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and private and os.access(path, os.W_OK)
