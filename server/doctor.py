"""`rli-agent server doctor`: what would keep the stack from being installed, started or trusted, and how to fix it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.follow.filesystems import file_system_type, is_network
from rli_agent.port_holder import held_by
from rli_agent.server.configure.settings import Settings, load_settings
from rli_agent.server.install.releases import architecture
from rli_agent.server.locate import look_for
from rli_agent.server.places import Places
from rli_agent.server.ports import is_taken, why_not
from rli_agent.server.programs import PROGRAMS
from rli_agent.server.supervise.preparing import data_folder
from rli_agent.server.supervise.state import read_state, supervised, survivors

#: Free bytes below which data and programs may not fit: Grafana alone takes 0.9 GB.
ROOM = 3 << 30


class Finding(Struct, frozen=True):
    """level: ok, warn (it works, but) or bad (it does not). mend: what to do."""

    level: Literal["ok", "warn", "bad"]
    what: str
    mend: str = ""


def examine(places: Places, config: Path) -> Iterator[Finding]:
    """Every finding, in the order in which one would mend them."""
    yield _machine()
    yield from _root(places)
    settings = Settings()
    try:
        settings = load_settings(config, optional=config == places.settings)
        yield Finding("ok", f"settings: {config if config.exists() else 'the defaults'}")
    except UserError as e:
        yield Finding("bad", str(e), e.hint)
    yield from _programs(places, settings)
    yield from _running(places, settings)


def _machine() -> Finding:
    try:
        return Finding("ok", f"this machine: linux {architecture()}")
    except UserError as e:
        return Finding("warn", str(e), e.hint)


def _root(places: Places) -> Iterator[Finding]:
    folder = places.root
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("bad", f"{folder} cannot be written", "choose another directory with --root DIR")
        return
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warn"] = "ok" if free > ROOM else "warn"
    yield Finding(level, f"{places.root}: {free / 1e9:,.1f} GB free", "" if level == "ok" else "make room")


def _programs(places: Places, settings: Settings) -> Iterator[Finding]:
    for program in PROGRAMS:
        wanted = getattr(settings, program.name)
        named = Path(wanted.binary).expanduser() if wanted.binary else None
        search = look_for(program, places, named=named)
        for refused in search.refused:
            yield Finding("warn", f"{program.name}: not used: {refused}")
        if search.found:
            best = search.found[0]
            yield Finding("ok", f"{program.name} {best.version}: {best.binary}")
        elif wanted.enabled:
            mend = f"rli-agent server install --only {program.name}"
            yield Finding("bad" if program.name == "prometheus" else "warn", f"{program.name}: none is installed", mend)
        data = data_folder(places, settings, program.name)
        if is_network(data):
            mend = "set data_dir in server.yaml to a local disk"
            yield Finding("warn", f"{program.name}: its data in {data} lies on {file_system_type(data)}", mend)


def _running(places: Places, settings: Settings) -> Iterator[Finding]:
    state = read_state(places.state)
    if supervised(state):
        yield Finding("ok", "the stack runs; `rli-agent server status` says how it is")
        return
    for name, service in survivors(state).items():
        pid = service.process.pid if service.process else None
        mend = "rli-agent server start starts it anew"
        yield Finding("bad", f"{name} (process {pid}) runs without a supervisor", mend)
    ports = [
        ("prometheus", settings.prometheus.port), ("tempo", settings.tempo.port), ("tempo", settings.tempo.otlp_port),
        ("tempo", settings.tempo.grpc_port), ("grafana", settings.grafana.port),
    ]  # fmt: skip
    if settings.alertmanager.enabled:
        ports.append(("alertmanager", settings.alertmanager.port))
    for name, port in ports:
        error = why_not(settings.bind, port)
        if error is None:
            yield Finding("ok", f"port {port} ({name}) is free")
        elif is_taken(error):
            mend = "stop that process, or start with --ports auto"
            yield Finding("bad", f"port {port} ({name}) is taken{held_by(port)}", mend)
        else:
            yield Finding("bad", f"{settings.bind}:{port} ({name}): {error.strerror}", "choose another address (bind)")
