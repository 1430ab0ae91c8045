"""Which process listens at a port, as far as /proc tells: own processes can be seen, root sees all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rli_agent.terminal import plain


class Holder(NamedTuple):
    pid: int
    #: Its command line, cut short.
    command: str


def holder_of(port: int) -> Holder | None:
    """A process that listens at this TCP port, at any address."""
    return next(holders_of(port), None)


def held_by(port: int) -> str:
    """` by process 12 (its command)`, or nothing where that cannot be seen."""
    found = holder_of(port)
    return f" by process {found.pid} ({found.command})" if found else ""


def holders_of(port: int) -> Iterator[Holder]:
    """All of them: at different addresses there may be several."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            field = row.split()
            if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == port:  # 0A: listening
                sockets.add(f"socket:[{field[9]}]")
    for process in Path("/proc").iterdir() if sockets else ():
        if process.name.isdecimal():
            try:
                if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    yield Holder(int(process.name), plain(command).replace("\n", " ")[:80])
            except OSError:  # gone, or not ours
                continue
