"""The run's life, on its way to people: kept with the events that it follows from, said here, sent to the channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from rli_agent.alerts.links import links
from rli_agent.alerts.opening import Alerts
from rli_agent.events import Event, Labels, Source
from rli_agent.journal import logger
from rli_agent.life.problems import is_cause
from rli_agent.life.state import KNOWN_AS, LifeState
from rli_agent.life.tracker import LifeTracker
from rli_agent.message import Message
from rli_agent.store.errors import StoreError
from rli_agent.store.knowledge import Attempted
from rli_agent.store.run_store import RunStore

if TYPE_CHECKING:
    from rli_agent.alerts.dispatch import Dispatch
    from rli_agent.publish.selfmetrics import SelfMetrics

#: SLURM says when it ends the job, in Unix seconds.
JOB_END = "SLURM_JOB_END_TIME"


class Pager:
    """A publisher that also has a part in each commit: what an event changes in the run's life, and the messages that
    follow from it, become true with the event, or not at all.

    `changed` tells when the run last wrote, `labels` whose run it is; `say` prints a line for people,
    `own` counts what waits to be sent, `evidence` says of a stall what the machine knows. `part_of`: the name of the
    node, where the agent sees but a part of the run: it tells nothing but what it died of there, since the first node
    follows the rest.
    """

    def __init__(
        self, store: RunStore, run: str, alerts: Alerts, environment: Mapping[str, str],
        labels: Callable[[], Labels], changed: Callable[[], float], say: Callable[[str], None],
        own: SelfMetrics | None = None, evidence: Callable[[], Sequence[str]] = list, part_of: str | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        known = store.knowledge.recall(KNOWN_AS, LifeState.decode, "the run's life")
        self.tracker = LifeTracker(run, known, _number(environment.get(JOB_END)))
        self._labels = labels
        self._evidence = evidence
        self._part_of = part_of
        self._changed = changed
        self._say = say
        self._live = False
        self._unsaved: list[Message] = []
        self._route = alerts.router
        self._places = alerts.places
        self._dispatch: Dispatch | None = None
        if alerts.channels:
            from rli_agent.alerts.dispatch import Dispatch  # here: most runs are watched without

            self._dispatch = Dispatch(store.path, alerts, own)

    # -- within a commit

    def prepare(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Take in events that are about to be committed."""
        seen = now if self._live else min(now, self._changed())
        self._unsaved += self._labelled(self.tracker.record(events, source, seen, self._live))

    def write(self) -> None:
        """Inside the transaction that commits them; again, where that failed."""
        kept = self.store.knowledge
        kept.set(KNOWN_AS, self.tracker.state.encode())
        kept.attempts(
            Attempted(a.number, a.start, a.end, a.first_step, a.last_step, a.resumed_from)
            for a in self.tracker.attempts()[-2:]
            if a.start is not None
        )
        if self._unsaved:
            kept.tell(self._unsaved, self._route)

    def add(self, messages: Sequence[Message]) -> None:
        """Take in what another participant has to tell, to become true with the same commit."""
        self._unsaved += self._labelled(messages)

    def tell(self, messages: Sequence[Message], kept: Mapping[str, bytes]) -> None:
        """Take in what was found out beside the lines, with what is to be remembered of it by name, and keep it now."""
        self.add(messages)
        try:
            with self.store.transaction():
                for name, value in kept.items():
                    self.store.knowledge.set(name, value)
                self.write()
        except StoreError as error:
            logger.error("a message about the run could not be kept, it is with the next lines: {}", error)
            return
        self._told()

    # -- a publisher

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """They are in the store by now."""
        del events, source, now
        self._told()

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._live = True
        self._passed(now, last=False)

    def settle(self, now: float) -> None:
        """All was read, and nothing more will be."""
        self._passed(now, last=True)

    def close(self, patience: float) -> None:
        """Send what can be sent within so many seconds; the rest waits in the store for the next agent."""
        if self._dispatch is not None:
            self._dispatch.close(patience)

    def _passed(self, now: float, last: bool) -> None:
        before = self._standing()
        self._unsaved += self._labelled([self._with_evidence(m) for m in self.tracker.tick(now, last)])
        if not self._unsaved and self._standing() == before:
            return
        try:
            with self.store.transaction():
                self.write()
        except StoreError as error:
            logger.error("a message about the run could not be kept, it is tried again: {}", error)
            return
        self._told()

    def _with_evidence(self, message: Message) -> Message:
        """A stall is told with what the machine knows of it: asked then, since it takes a second."""
        if message.kind != "stalled" or message.resolved:
            return message
        return msgspec.structs.replace(message, text="\n".join([message.text, *self._evidence()]))

    def _standing(self) -> tuple[str, bool, bool]:
        """What time alone may change."""
        state = self.tracker.state
        return state.life, state.attached, state.quiet

    def _told(self) -> None:
        told, self._unsaved = self._unsaved, []
        for message in told:
            self._say(f"[{'over' if message.resolved else message.severity}] {message.title}")
        if told and self._dispatch is not None:
            self._dispatch.wake()

    def _labelled(self, messages: Sequence[Message]) -> list[Message]:
        if self._part_of is not None:
            causes = [m for m in messages if m.kind == "failed" and is_cause(self.tracker.state.suspect)]
            messages = [msgspec.structs.replace(m, title=f"{self._part_of}: {m.title}") for m in causes]
        labels = self._labels() if messages else ()
        labelled = [msgspec.structs.replace(message, labels=labels) for message in messages]
        return [msgspec.structs.replace(message, links=links(self._places, message)) for message in labelled]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
