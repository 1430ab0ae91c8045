"""What all runs of a process share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from rli_agent.alerts.opening import Alerts
from rli_agent.catalogue import Catalogue
from rli_agent.hardware.machine import Machine


class Setting(NamedTuple):
    """What all runs of a process share. state: the directory of the stores; stop: set when the process is to end;
    opened: is told of each store; address: where this machine's Prometheus scrapes the process, None if nowhere;
    machine: gives the machine's figures."""

    state: Path
    catalogue: Catalogue
    alerts: Alerts
    zone: tzinfo
    stop: threading.Event
    opened: Callable[[Path], None] = lambda _: None
    address: Callable[[], str | None] = lambda: None
    machine: Machine | None = None
