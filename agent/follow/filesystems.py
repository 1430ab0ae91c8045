"""What kind of file system a path lies on, from `/proc/self/mountinfo` (proc(5)).

Two questions hang on it: does inotify report writes there (not those of other hosts, and those of no one through many
FUSE drivers), and may SQLite keep a write-ahead log there (its shared memory works on one host only).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Other hosts may write here. Every `fuse.*` type counts as one too.
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "9p", "virtiofs", "afs",
    "orangefs", "pvfs2", "panfs", "wekafs", "gfs", "gfs2", "ocfs2", "davfs", "vboxsf", "vmhgfs", "prl_fs", "mfs",
    "autofs", "fuse",
})  # fmt: skip
#: Local, but a write is not always announced: overlay watches the lower layer's inode until the file is copied up.
SILENT = frozenset({"overlay", "aufs", "fuseblk"})

_ESCAPE = re.compile(rb"\\([0-7]{3})")


def file_system_type(path: Path) -> str:
    """The type as the kernel names it ("ext4", "nfs4", "fuse.sshfs"), of the nearest parent where `path` is missing.

    An empty string where it cannot be known (no `/proc`).
    """
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return ""
    return type_in_table(table, os.fsencode(os.path.realpath(path)))


def type_in_table(mountinfo: bytes, path: bytes) -> str:
    """The type of the mount that covers the absolute, resolved `path`; of several at one point, the last mounted."""
    found, length = b"", -1
    for row in mountinfo.splitlines():
        before, separator, after = row.partition(b" - ")
        fields = before.split(b" ")
        if not separator or len(fields) < 5:
            continue
        point = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8)]), fields[4]).rstrip(b"/")
        if len(point) >= length and (path == point or path.startswith(point + b"/")):
            found, length = after.split(b" ", 1)[0], len(point)
    return os.fsdecode(found)


def is_network(path: Path) -> bool:
    """Whether other hosts may write under `path` and locks may not hold between them."""
    kind = file_system_type(path)
    return kind in NETWORK or kind.startswith("fuse.")


def announces_writes(path: Path) -> bool:
    """Whether inotify can be trusted under `path`. An unknown type is trusted: evidence decides later."""
    return not is_network(path) and file_system_type(path) not in SILENT
