"""From one store's outbox to all channels."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rli_agent.alerts.opening import Alerts
from rli_agent.alerts.sender import Pace, Sender
from rli_agent.store import outbox
from rli_agent.store.connection import read_only

if TYPE_CHECKING:
    from rli_agent.publish.selfmetrics import SelfMetrics


class Dispatch:
    """A sender for each channel. They begin when there is something to send: most runs of the past have nothing."""

    def __init__(self, store: Path, alerts: Alerts, own: SelfMetrics | None = None) -> None:
        pace = Pace(alerts.hourly, alerts.group, alerts.repeat)
        self._senders = [Sender(store, channel, pace, own) for channel in alerts.channels]
        self._begun = False
        with closing(read_only(store)) as db:
            if outbox.any_delivery(db):
                self.wake()

    def wake(self) -> None:
        """There is something new in the outbox."""
        if not self._begun:
            self._begun = True
            for sender in self._senders:
                sender.start()
        for sender in self._senders:
            sender.wake()

    def close(self, patience: float) -> None:
        """Send what can be sent within so many seconds; the rest waits in the store for the next agent."""
        if not self._begun:
            return
        end = time.monotonic() + patience
        for sender in self._senders:
            sender.stop()
        for sender in self._senders:
            sender.join(end - time.monotonic())
