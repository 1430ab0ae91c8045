"""The stack's Prometheus as a receiver of remote write: whether there is one, and how far back it takes samples."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.server.files import write_whole
from rli_agent.server.places import Places
from rli_agent.server.processes import is_running
from rli_agent.server.supervise.state import read_state

PATH = "/api/v1/write"
_IDENTITY = ".rli-agent.id"
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}


class StackReceiver(Struct, frozen=True):
    """`window`: seconds before its newest sample for which it takes others, 0.0 for none. `identity`: of its data,
    which stays when its port changes, and not when they are removed."""

    url: str
    version: str
    window: float
    identity: str


def stack_receiver(places: Places) -> StackReceiver | None:
    """None where no Prometheus of the stack runs."""
    state = read_state(places.state)
    service = state.services.get("prometheus") if state is not None else None
    if service is None or service.phase != "ready" or service.process is None or not is_running(service.process):
        return None
    launch = service.launch
    identity = _identity(Path(launch.data))
    return StackReceiver(launch.url + PATH, launch.version, takes_back(places.config / "prometheus.yml"), identity)


def takes_back(config: Path) -> float:
    """For how many seconds before its newest sample a Prometheus with this configuration takes others: its
    `out_of_order_time_window`, which is rendered for 2.39 and later alone."""
    import yaml  # here: most runs are watched without the stack, and it takes a while

    try:
        read: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
        text = str(read["storage"]["tsdb"]["out_of_order_time_window"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return 0.0
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _identity(data: Path) -> str:
    """A name of this data, made up when it is first asked for."""
    file = data / _IDENTITY
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        made = uuid.uuid4().hex
    try:
        write_whole(file, made + "\n")
    except OSError:
        return str(data)
    return made
