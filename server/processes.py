"""Processes that we started: known again beyond doubt, and signalled only then.

A process number is given to another process once its owner is gone. A process is the one we know if the number, the
moment of its start (field 22 of /proc/PID/stat, in ticks since boot), the boot and the command line are all the same.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from msgspec import Struct


class Process(Struct, frozen=True):
    pid: int
    started: int
    boot: str
    command: tuple[str, ...]


def process(pid: int) -> Process | None:
    """What runs under this number now; None for nothing, or for one that has ended and was not reaped yet."""
    folder = Path("/proc") / str(pid)
    try:
        # the name in brackets may hold blanks and brackets
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]), _boot(), tuple(command))


def just_started(pid: int) -> Process | None:
    """The same for a child that was executed a moment ago: its command line is empty until the kernel has laid it out.
    None if it has ended already."""
    deadline = time.monotonic() + 1.0
    while (it := process(pid)) is not None and not any(it.command) and time.monotonic() < deadline:
        time.sleep(0.001)
    return it


def is_running(known: Process) -> bool:
    return process(known.pid) == known


def send(known: Process, number: signal.Signals) -> bool:
    """Signal the process if it is still the one that we know. Whether it was."""
    try:
        handle = os.pidfd_open(known.pid)  # from here on the number cannot come to mean another process
    except OSError:
        return False
    try:
        if not is_running(known):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def end(known: Process, patience: float) -> bool:
    """SIGTERM, and SIGKILL where it has not ended after `patience` seconds. Whether it ended by itself."""
    if not send(known, signal.SIGTERM) or wait(known, patience):
        return True
    send(known, signal.SIGKILL)
    wait(known, 5.0)
    return False


def wait(known: Process, patience: float) -> bool:
    """Whether the process is gone within `patience` seconds."""
    deadline = time.monotonic() + patience
    while is_running(known):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def users_of(folder: Path) -> list[Process]:
    """Own processes that have files open below a folder."""
    below = f"{folder.resolve()}/"
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if any(os.readlink(fd).startswith(below) for fd in (entry / "fd").iterdir()):
                    it = process(int(entry.name))
                    if it is not None:
                        found.append(it)
            except OSError:  # gone, or not ours
                continue
    return found


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
