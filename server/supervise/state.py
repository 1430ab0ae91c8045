"""What runs, written down: `server/state.json`. The supervisor writes it, the other commands read it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from rli_agent.server.files import write_whole
from rli_agent.server.launch import Launch
from rli_agent.server.processes import Process, is_running

#: starting: not ready yet. ready: answered. unready: runs, but did not answer in time. waiting: has ended, and is
#: started again in a moment. failed: ended before it was ever ready, and is left alone. stopped: was told to end.
Phase = Literal["starting", "ready", "unready", "waiting", "failed", "stopped"]


#: How the stack was asked to start: the options of the command line.
Options = dict[str, str | list[str] | None]


class Service(Struct):
    """One program. `since`: when its process started. `ready_after`: seconds that took. `restarts`: times it was
    started again. `reason`: what went wrong last."""

    launch: Launch
    phase: Phase = "starting"
    process: Process | None = None
    since: float | None = None
    ready_after: float | None = None
    restarts: int = 0
    exit: int | None = None
    reason: str = ""


class State(Struct):
    """`supervisor`: the process that watches over the services. `options`: how it was started, to do so again.
    `left_out`: programs that do not run, and why."""

    supervisor: Process
    since: float
    options: Options
    services: dict[str, Service]
    left_out: dict[str, str] = {}


def read_state(path: Path) -> State | None:
    """None where there is none, or none that can be read: then nothing is known to run."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def write_state(path: Path, state: State) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(state).decode(), indent=1) + "\n", mode=0o600)


def supervised(state: State | None) -> bool:
    """Whether the supervisor that wrote this is still there."""
    return state is not None and is_running(state.supervisor)


def survivors(state: State | None) -> dict[str, Service]:
    """Services whose processes still run."""
    services = state.services if state is not None else {}
    return {n: s for n, s in services.items() if s.process is not None and is_running(s.process)}
