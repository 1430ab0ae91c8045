"""What a reader of the store that sends things away looks like to the watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rli_agent.events import Event, Source


class Publisher(Protocol):
    """Takes what was just committed. No method may block: sending is a thread's work, and what cannot be sent waits in
    the store. All methods are called from the reading thread."""

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Events of one file that are in the store by now; `now` in Unix seconds."""

    def tick(self, now: float) -> None:
        """Called about once a second, also when nothing happens."""

    def close(self, patience: float) -> None:
        """The watch ends: finish what is under way within `patience` seconds."""


class Participant(Protocol):
    """Has something of its own to keep that follows from the events: it becomes true with them, or not at all."""

    def prepare(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Events of one file that are about to be committed."""

    def write(self) -> None:
        """Inside the transaction that commits them; called again where that is tried again."""
