"""Watches over the programs: starts them in order, says when each is ready, starts again what ends, ends them all."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

from rli_agent.journal import logger
from rli_agent.server.places import Places
from rli_agent.server.supervise.child import Child
from rli_agent.server.supervise.logs import rotate
from rli_agent.server.supervise.state import State, write_state
from rli_agent.server.targets import sweep

#: Seconds between two looks at the programs: while one is starting, and after.
BUSY, CALM = 0.1, 0.5
#: Seconds between two looks at logs and targets.
CHORES = 30.0


class Supervisor:
    """`say` prints for people; `settled` is told once whether all are ready, when no program is starting any more."""

    def __init__(
        self, places: Places, state: State, children: list[Child], say: Callable[[str], None],
        settled: Callable[[bool], None],
    ) -> None:  # fmt: skip
        self._places = places
        self._state = state
        self._children = children
        self._say = say
        self._settled = settled
        self._wake = threading.Event()
        self._told_to_stop = 0

    def run(self) -> int:
        """Until SIGTERM or SIGINT (a second one ends the programs at once). 0: they ran; 1: none became ready."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._state.services = {c.service.launch.program: c.service for c in self._children}
        sweep(self._places.targets, time.time())
        for child in self._children:
            child.start()
        self._save()
        alive = self._wait_until_settled()
        try:
            if alive:
                self._watch()
        finally:
            self._end()
        return 0 if alive else 1

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told_to_stop += 1
        self._wake.set()

    def _wait_until_settled(self) -> bool:
        """Whether any program is running."""
        told: set[str] = set()
        while not self._told_to_stop:
            self._look()
            for child in self._children:
                name = child.service.launch.program
                if child.settled and name not in told:
                    told.add(name)
                    self._tell(child)
            if len(told) == len(self._children):
                break
            self._wake.wait(BUSY)
        alive = any(c.service.process is not None for c in self._children)
        _notify("READY=1")
        self._settled(all(c.service.phase == "ready" for c in self._children))
        return alive

    def _watch(self) -> None:
        chores = time.monotonic()
        while not self._told_to_stop:
            self._look()
            if time.monotonic() - chores >= CHORES:
                chores = time.monotonic()
                self._do_chores()
            self._wake.wait(BUSY if any(c.service.phase == "starting" for c in self._children) else CALM)

    def _look(self) -> None:
        changed = [c for c in self._children if c.tick()]
        for child in changed:
            service = child.service
            if service.phase == "waiting":
                logger.warning("{} {}", service.launch.program, service.reason)
            elif service.phase == "ready" and service.restarts:
                logger.info("{} is ready again", service.launch.program)
        if changed:
            self._save()

    def _tell(self, child: Child) -> None:
        service = child.service
        name, launch = service.launch.program, service.launch
        if service.phase == "ready":
            self._say(f"{name} {launch.version} is ready after {service.ready_after:.1f} s: {launch.url}")
            return
        self._say(f"{name} {launch.version} is NOT ready: {service.reason}")
        lines = child.last_lines()
        if lines:
            self._say(f"  the last lines of {launch.log}:")
            for line in lines:
                self._say(f"    {line}")

    def _do_chores(self) -> None:
        for log in self._places.logs.glob("*.log"):
            try:
                rotate(log)
            except OSError as e:
                logger.warning("the log {} cannot be rotated: {}", log, e)
        for name in sweep(self._places.targets, time.time()):
            logger.info("the scrape target {} was removed: its agent was not heard of for long", name)

    def _end(self) -> None:
        """End all at once, each with its own patience."""
        _notify("STOPPING=1")
        asked = self._told_to_stop
        for child in reversed(self._children):
            child.terminate()
        while [c for c in self._children if not c.gone()]:
            if self._told_to_stop > asked:
                for child in self._children:
                    child.kill()
            time.sleep(BUSY)
        self._save()

    def _save(self) -> None:
        try:
            write_state(self._places.state, self._state)
        except OSError as e:
            logger.warning("{} cannot be written, so that `server status` is behind: {}", self._places.state, e)


def _notify(text: str) -> None:
    """Tell systemd (Type=notify) how far we are; nothing where it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
            except OSError as e:
                logger.warning("systemd cannot be told {}: {}", text, e)
