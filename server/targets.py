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
from collections.abc import Mapping, Sequence
from pathlib import Path

from rli_agent.journal import logger
from rli_agent.publish.listen import reached, shown
from rli_agent.publish.naming import clean
from rli_agent.server.files import write_whole
from rli_agent.server.places import Places, default_root

#: The job under which the stack's Prometheus scrapes agents.
JOB = "rli-agent"
#: Seconds between two touches, and without one until a target's file is removed.
TOUCH = 30.0
EXPIRY = 900.0


class Registration:
    """This agent among the targets, from the moment on where there is a stack to look at them.

    Nothing here raises: a run is watched whether or not anybody scrapes. `host`, `port`: where /metrics is served.
    """

    def __init__(self, host: str, port: int, root: Path | None = None) -> None:
        places = Places(root or default_root())
        self._stack = places.server
        self.path = places.targets / f"{os.getpid()}-{port}.json"
        self._target = reachable(host, port)
        self._labels: Mapping[str, str] | None = None
        self._touched = 0.0

    def tick(self, now: float, labels: Mapping[str, str]) -> None:
        """Called about once a second. `labels`: of the target, so of `up`, and their names legal; what the agent itself
        publishes keeps its own."""
        if labels == self._labels and 0 <= now - self._touched < TOUCH:
            return
        known, self._labels, self._touched = self._labels, dict(labels), now
        try:
            if labels == known and self.path.exists():
                os.utime(self.path)
            elif self._stack.is_dir():
                self._write(labels)
        except OSError as e:
            logger.debug("not registered as a scrape target: {}", e)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _write(self, labels: Mapping[str, str]) -> None:
        put(self.path, [target_group(self._target, labels)])


def target_group(address: str, labels: Mapping[str, str]) -> dict[str, object]:
    """One address in the form of file_sd."""
    return {"targets": [address], "labels": {name: clean(value) for name, value in labels.items() if value}}


def put(path: Path, groups: Sequence[object]) -> None:
    """Let Prometheus see these targets. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(groups) + "\n")


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


def reachable(host: str, port: int) -> str:
    """Where this machine's Prometheus reaches what listens at this address."""
    return shown(reached(host), port)
