"""What a run's logs tell of the past, for the stack's Prometheus: sent to it as soon as it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rli_agent.events import Event, Source
from rli_agent.journal import logger
from rli_agent.server.places import Places, default_root
from rli_agent.server.receiver import StackReceiver, stack_receiver
from rli_agent.server.targets import JOB

if TYPE_CHECKING:
    from rli_agent.publish.remote_write.exporter import RemoteWrite
    from rli_agent.publish.remote_write.target import Target

#: Seconds between two looks for a stack that runs.
LOOK = 5.0

#: Makes the exporter, which asks its argument for the receiver.
Open = Callable[[Callable[[], "Target | None"]], "RemoteWrite"]


class StackHistory:
    """A publisher: an exporter once there is somebody to send to. `address`: where that Prometheus scrapes us, None
    where it does not. Where it takes nothing out of order, that is said, and nothing is sent."""

    def __init__(self, open: Open, address: Callable[[], str | None]) -> None:
        self._places = Places(default_root())
        self._open = open
        self._address = address
        self._exporter: RemoteWrite | None = None
        self._looked = 0.0
        self._told = False

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Nothing to do: what is to be sent is read from the store."""

    def tick(self, now: float) -> None:
        if self._exporter is None and not 0 <= now - self._looked < LOOK:
            self._looked = now
            if self._places.server.is_dir() and self._find() is not None:
                self._exporter = self._open(self._find)
        if self._exporter is not None:
            self._exporter.tick(now)

    def close(self, patience: float) -> None:
        if self._exporter is not None:
            self._exporter.close(patience)

    def _find(self) -> Target | None:
        """Asked by the exporter's thread too."""
        from rli_agent.publish.remote_write.target import Target  # here: its package brings an HTTP client with it

        found = stack_receiver(self._places)
        address = self._address()
        if found is None or address is None:
            return None
        if not found.window:
            self._tell(found)
            return None
        place = {"job": JOB, "instance": address}
        return Target(found.url, place, f"remote write {found.identity}", found.window)

    def _tell(self, found: StackReceiver) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "Prometheus {} takes no samples out of order, which 2.39 and later do: steps from before this watch, "
                "and between two scrapes, are not sent to it", found.version,
            )  # fmt: skip
