"""Scrape targets by file: a watch that serves /metrics puts a file where the stack's Prometheus looks for it.

One JSON file an agent (Prometheus's file_sd form), written under another name and renamed: Prometheus keeps the old
targets of a file that it cannot read, and logs an error. The agent touches its file from time to time; one that was not
touched for long is that of an agent that was killed, and the supervisor removes it. Until then Prometheus sees the
target down, which is what the alert about lost agents looks at.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from rli_agent.publish.naming import clean, label_name

from .files import write_whole
from .places import Places, default_root

#: Seconds between two touches, and without one until a target's file is removed.
TOUCH = 30.0
EXPIRY = 900.0


class Registration:
    """This agent among the targets. Nothing here raises: a run is watched whether or not anybody scrapes."""

    def __init__(self, host: str, port: int, labels: Mapping[str, str], root: Path | None = None) -> None:
        """`host`, `port`: where /metrics is served. `labels`: of the target, so of `up`; the agent's own series keep
        theirs."""
        self._folder = Places(root or default_root()).targets
        self.path = self._folder / f"{os.getpid()}-{port}.json"
        self._target = _reachable(host, port)
        self._labels: dict[str, str] = {}
        self._touched = 0.0
        self.relabel(labels)

    def relabel(self, labels: Mapping[str, str]) -> None:
        """The run's labels became known, or changed."""
        legal = {label_name(n): clean(v) for n, v in labels.items() if v}
        # the target's labels are named as the run's are
        legal = {n.removeprefix("exported_"): v for n, v in legal.items()}
        if legal != self._labels or not self._touched:
            self._labels = legal
            self._write()

    def tick(self, now: float) -> None:
        """Called about once a second."""
        if now - self._touched >= TOUCH:
            try:
                os.utime(self.path)
                self._touched = now
            except OSError:
                self._write()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _write(self) -> None:
        self._touched = time.time()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps([{"targets": [self._target], "labels": self._labels}]) + "\n")
        except OSError as e:
            logger.debug("not registered as a scrape target: {}", e)


def sweep(folder: Path, now: float) -> list[str]:
    """Remove the targets of agents that were not heard of for long; the names of their files."""
    gone = []
    with contextlib.suppress(OSError):
        for path in folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > EXPIRY:
                    path.unlink()
                    gone.append(path.name)
    return gone


def _reachable(host: str, port: int) -> str:
    """Where this machine's Prometheus reaches what listens at this address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
