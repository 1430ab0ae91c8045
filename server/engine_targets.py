"""A run's engines as scrape targets of the machine's Prometheus: those that answered when the agent asked them.

They stay targets while the run goes on, so that one that ends is seen to be down. Their own series (`vllm:…`, with
histograms of latencies) are what the dashboard of engines shows.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rli_agent.events import Event, Source
from rli_agent.journal import logger
from rli_agent.server.places import Places, default_root
from rli_agent.server.targets import TOUCH, put, target_group

if TYPE_CHECKING:
    from rli_agent.engines.addresses import Address  # it brings what reads configurations with it


class EngineTargets:
    """A publisher. `engines`: those that have answered, each with its kind, which becomes the job (`vllm`,
    `sglang`). `labels`: the run's. `active`: whether it goes on. The file lies beside the agents' and is touched like
    theirs."""

    def __init__(
        self, run: str, engines: Callable[[], Mapping[Address, str]], labels: Callable[[], Mapping[str, str]],
        active: Callable[[], bool], root: Path | None = None,
    ) -> None:  # fmt: skip
        places = Places(root or default_root())
        self._stack = places.server
        self.path = places.targets / f"{os.getpid()}-engines-{run}.json"
        self._engines = engines
        self._labels = labels
        self._active = active
        self._looked = 0.0

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """What the events say of engines, the poller reads."""

    def tick(self, now: float) -> None:
        if 0 <= now - self._looked < TOUCH:
            return
        self._looked = now
        engines = self._engines() if self._active() else {}
        if not engines:
            self._remove()
        elif self._stack.is_dir():
            self._write(engines)

    def close(self, patience: float) -> None:
        del patience
        self._remove()

    def _write(self, engines: Mapping[Address, str]) -> None:
        labels = self._labels()
        groups = []
        for address, job in sorted(engines.items()):
            place = {"__scheme__": address.scheme, "__metrics_path__": address.path}
            groups.append(target_group(address.name, {**labels, **place, "job": job}))
        try:
            put(self.path, groups)
        except OSError as e:
            logger.debug("engines are not registered as scrape targets: {}", e)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()
