"""`rli-agent server status`: asked of the programs themselves, at the moment of asking."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.server.ask import get, get_json
from rli_agent.server.places import Places
from rli_agent.server.processes import is_running
from rli_agent.server.programs import NAMES
from rli_agent.server.supervise.state import Service, read_state, supervised

#: Exit statuses: all that was started is ready; some is not; nothing runs (as for init scripts).
ALL_READY, SOME_NOT, NOTHING_RUNS = 0, 1, 3
#: Files looked at to tell the size of a program's data.
MOST_FILES = 200_000


class Target(Struct):
    """One address that Prometheus scrapes. health: up, down or unknown."""

    job: str
    address: str
    health: str
    error: str
    labels: dict[str, str]


class Program(Struct):
    """state: ready, starting, unready, waiting (ended, started again soon), failed, stopped, left out. port, url: where
    it answers. ports: all of them by purpose. retention: how long it keeps data."""

    name: str
    state: str
    version: str | None = None
    pid: int | None = None
    port: int | None = None
    ports: dict[str, int] = {}
    url: str | None = None
    ready: bool = False
    uptime_s: float | None = None
    restarts: int = 0
    data: str | None = None
    data_bytes: int | None = None
    retention: str | None = None
    log: str | None = None
    reason: str = ""


class Report(Struct):
    """state: ready, degraded or stopped. targets: None where Prometheus does not answer."""

    state: str
    answer: str
    root: str
    supervisor_pid: int | None
    programs: list[Program]
    targets: list[Target] | None = None

    @property
    def code(self) -> int:
        return {"ready": ALL_READY, "degraded": SOME_NOT}.get(self.state, NOTHING_RUNS)


def report(places: Places, now: float | None = None) -> Report:
    """What is true now. What is written down says only where to look."""
    now = time.time() if now is None else now
    state = read_state(places.state)
    services = state.services if state is not None else {}
    watched = supervised(state)
    left_out = state.left_out if state is not None and (watched or services) else {}
    programs = []
    for name in NAMES:
        if name in services:
            programs.append(_program(services[name], watched, now))
        elif name in left_out:
            programs.append(Program(name, "left out", reason=left_out[name]))
    runs = any(p.pid is not None for p in programs)
    prometheus = next((p for p in programs if p.name == "prometheus" and p.ready), None)
    targets = _targets(services["prometheus"]) if prometheus is not None else None
    pid = state.supervisor.pid if state is not None and watched else None
    started = [p for p in programs if p.state != "left out"]
    if not runs and not watched:
        how = "stopped"
    elif watched and all(p.ready for p in started):
        how = "ready"
    else:
        how = "degraded"
    return Report(how, _answer(how, programs, watched), str(places.root), pid, programs, targets)


def _program(service: Service, watched: bool, now: float) -> Program:
    launch = service.launch
    it = Program(
        launch.program, service.phase, launch.version, None, launch.port, launch.listens, launch.url, False, None,
        service.restarts, launch.data, _size(Path(launch.data)), launch.retention, launch.log, service.reason,
    )  # fmt: skip
    if service.process is None or not is_running(service.process):
        if service.phase in ("ready", "unready", "starting"):
            it.state = "waiting" if watched else "stopped"
        elif service.phase == "waiting" and not watched:
            it.state = "stopped"
        return it
    it.pid = service.process.pid
    it.uptime_s = round(now - service.since, 1) if service.since is not None else None
    status, body = get(launch.host, launch.port, launch.ready)
    it.ready = status == 200
    if it.ready:
        it.state, it.reason = "ready", ""
    elif service.phase != "starting":
        it.state = "unready"
        it.reason = f"{launch.url}{launch.ready}: {status or ''} {body.decode(errors='replace').strip()[:200]}".strip()
    return it


def _targets(service: Service) -> list[Target]:
    launch = service.launch
    found: Any = get_json(launch.host, launch.port, "/api/v1/targets?state=active")
    try:
        active = [(t, t["labels"]) for t in found["data"]["activeTargets"]]
        return [Target(on["job"], on["instance"], t["health"], t.get("lastError", ""), on) for t, on in active]
    except (TypeError, KeyError, AttributeError):
        return []


def _answer(how: str, programs: list[Program], watched: bool) -> str:
    """One sentence."""
    if how == "stopped":
        return "nothing runs; `rli-agent server start` starts the stack"
    parts = [f"{p.name} is {p.state}" + (f" ({p.reason})" if p.reason and not p.ready else "") for p in programs]
    if not watched:
        parts.append("nobody watches over them: the supervisor is gone; `rli-agent server start` starts anew")
    return "; ".join(parts)


def _size(folder: Path) -> int:
    """Bytes of the files below; of the first so many, where there are more."""
    total = seen = 0
    for place, _, names in os.walk(folder):
        for name in names:
            seen += 1
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
        if seen > MOST_FILES:
            break
    return total
