"""The kernel's limits on inotify, in words."""

from __future__ import annotations

import errno
from pathlib import Path

#: What may run out, the setting that bounds it, and a value that is enough.
LIMITS = {
    errno.ENOSPC: ("watches", "max_user_watches", 1048576),
    errno.EMFILE: ("instances", "max_user_instances", 1024),
}


def reason(error: OSError) -> str:
    """Why a directory does not announce its changes, and what would help."""
    if error.errno not in LIMITS:
        return f"inotify does not work there ({error.strerror})"
    what, setting, enough = LIMITS[error.errno]
    try:
        value = Path("/proc/sys/fs/inotify", setting).read_text().strip()
    except OSError:
        value = "unknown"
    return (
        f"the limit on inotify {what} is reached (fs.inotify.{setting} = {value}; "
        f"to raise it: sudo sysctl fs.inotify.{setting}={enough})"
    )
