"""The detectors beside a run: their state and their alerts are kept with the events that they follow from."""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec
from msgspec import Struct

from rli_agent.alerts.pager import Pager
from rli_agent.detect.beside import changed
from rli_agent.detect.engine import RANK, Alert, Engine, State
from rli_agent.detect.language import Detector
from rli_agent.detect.readings import Reader, Reading
from rli_agent.detect.wording import detail, title
from rli_agent.events import Event, Samples, Source
from rli_agent.journal import logger
from rli_agent.message import Curve, Message, Severity
from rli_agent.store.errors import StoreError
from rli_agent.store.knowledge import Alerted
from rli_agent.store.run_store import RunStore

_NAME = "detectors"
#: Lines of one make in one file that wait, while old files are read, for those of other files; the newest. A detector
#: looks back on 240 (detect/history.py).
_WAITING = 300
#: Steps that a message shows of the figure that decided.
_CURVE = 120
#: Seconds between two notes of what waits: a run has thousands of old files, each with a commit of its own. Lines that
#: are read in between and lost with the agent are missing from the history, and from nothing else.
_NOTED_EVERY = 1.0


class Noted(Struct):
    """What survives the agent. attached: what stood there has been judged once. told: incidents that are going on, and
    how grave people know them to be. paged: alerts that a message told of, by detector."""

    engine: State = msgspec.field(default_factory=State)
    attached: bool = False
    waiting: list[tuple[float, list[Reading]]] = []
    told: dict[str, Severity] = {}
    paged: dict[str, str] = {}


_NOTED = msgspec.msgpack.Decoder(Noted).decode


class Lookout:
    """A participant of commits and a publisher, like the Pager, through which its messages go.

    Old files are read one after the other: their lines wait until all are read, and are judged in the order of time.
    Of what happened before the agent first came, only what still lasts is told. `fresh`: forget what was noted, since
    all is read again.
    """

    def __init__(
        self, store: RunStore, run: str, detectors: Sequence[Detector], pager: Pager,
        *, fresh: bool,
    ) -> None:  # fmt: skip
        self._store = store
        self._run = run
        self._pager = pager
        self._known = {detector.name: detector for detector in detectors}
        known = None if fresh else store.knowledge.recall(_NAME, _NOTED, "the detectors")
        self._noted = known or Noted()
        self.engine = Engine(detectors, self._noted.engine)
        self._reader = Reader(self.engine.wanted, self._noted.engine.derived)
        self._waiting: dict[tuple[str, str], deque[tuple[float, list[Reading]]]] = {}
        for when, readings in self._noted.waiting:
            self._wait(when, readings)
        self._live = False
        self._changed = False
        self._now = self._noted_at = 0.0
        self._rows: list[Alerted] = []
        #: Detectors whose alert is not over, with its severity; for other threads to read.
        self.active: dict[str, Severity] = {}
        self._show()

    # -- within a commit

    def prepare(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Take in events that are about to be committed."""
        self._now = now
        if not self._live:
            events = self._newest(events)
        for readings in self._reader.read(events, source):
            self._changed = True
            if self._live:
                self._tell(self.engine.record(readings), now)
            else:
                self._wait(readings[0].time or 0.0, readings)

    def write(self) -> None:
        """Inside the transaction that commits them; again, where that failed."""
        if not self._changed or (not self._live and self._now - self._noted_at < _NOTED_EVERY):
            return
        self._noted_at = self._now
        noted = self._noted
        noted.waiting = [] if self._live else list(itertools.chain.from_iterable(self._waiting.values()))
        kept = self._store.knowledge
        kept.set(_NAME, msgspec.msgpack.encode(noted))
        if self._rows:
            kept.alerts(self._rows)

    # -- a publisher

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """They are in the store by now."""
        del events, source, now
        if self._live:
            self._written()

    def tick(self, now: float) -> None:
        """Time has passed: all that stood there is read."""
        if not self._live:
            self.settle(now)

    def settle(self, now: float) -> None:
        """Judge what waited."""
        first = not self._noted.attached
        self._live = self._noted.attached = self._changed = True
        lasting: dict[str, Alert] = {}
        for _, readings in _in_time(self._waiting.values()):
            alerts = self.engine.record(readings)
            if not first:
                self._tell(alerts, now)
                continue
            self._keep(alerts, now)
            lasting |= {alert.detector: alert for alert in alerts}
        self._waiting.clear()
        self._page([alert for alert in lasting.values() if alert.status == "firing"], now)
        try:
            with self._store.transaction():
                self.write()
                self._pager.write()
        except StoreError as error:
            logger.error("what the detectors found could not be kept, it is with the next lines: {}", error)
            return
        self._written()

    def close(self, patience: float) -> None:
        """Nothing is under way."""
        del patience

    # -- alerts

    def _tell(self, alerts: Sequence[Alert], now: float) -> None:
        self._keep(alerts, now)
        self._page(alerts, now)

    def _keep(self, alerts: Sequence[Alert], now: float) -> None:
        for alert in alerts:
            detector = self._known[alert.detector]
            evidence = alert.evidence
            self._rows.append(
                Alerted(
                    alert.id, alert.status == "resolved", alert.detector, alert.severity, alert.incident, alert.role,
                    alert.key, alert.labels, alert.step, alert.time or now, evidence.value, evidence.usual,
                    evidence.limit, title(alert), self._text(alert, detector), detector.todo,
                )
            )  # fmt: skip
        if alerts:
            self._show()

    def _show(self) -> None:
        self.active = {name: episode.severity for name, episode in self.engine.state.episodes.items()}

    def _page(self, alerts: Sequence[Alert], now: float) -> None:
        """Messages of the alerts that are news: an incident's first, and those that make it graver."""
        messages = []
        noted = self._noted
        for alert in alerts:
            detector = self._known[alert.detector]
            if alert.status == "resolved":
                if noted.paged.pop(alert.detector, None) == alert.id:
                    messages.append(self._message(alert, detector, now))
                if not any(e.incident == alert.incident for e in self.engine.state.episodes.values()):
                    noted.told.pop(alert.incident, None)
                continue
            known = noted.told.get(alert.incident)
            if not detector.message or (known is not None and RANK[alert.severity] <= RANK[known]):
                continue
            noted.told[alert.incident] = alert.severity
            messages.append(self._message(alert, detector, now, worse=noted.paged.get(alert.detector) == alert.id))
            noted.paged[alert.detector] = alert.id
        if messages:
            self._pager.add(messages)

    def _message(self, alert: Alert, detector: Detector, now: float, worse: bool = False) -> Message:
        over = alert.status == "resolved"
        evidence = alert.evidence
        return Message(
            alert.detector, alert.severity, title(alert), "" if over else self._text(alert, detector),
            alert.time or now, f"{self._run}/{alert.id}", alert.step, "" if over else detector.todo, over, worse=worse,
            curve=None if over else self._curve(alert),
            values=(("value", evidence.value), ("usual", evidence.usual), ("limit", evidence.limit)),
        )  # fmt: skip

    def _text(self, alert: Alert, detector: Detector) -> str:
        others = changed(self.engine, alert) if alert.status == "firing" else []
        return detail(alert, detector) + (f"\nAt the same time: {', '.join(others)}." if others else "")

    def _curve(self, alert: Alert) -> Curve | None:
        """The series that decided, at the newest steps."""
        history = self.engine.history(alert)
        if history is None or len(history.values) < 2:
            return None
        limit = alert.evidence.limit
        return Curve(
            alert.evidence.series, tuple(history.steps[-_CURVE:]), tuple(history.values[-_CURVE:]),
            limit if math.isfinite(limit) else None,
        )  # fmt: skip

    def _newest(self, events: Sequence[Event]) -> list[Event]:
        """Those of a file's events that the next ones of their make would not push out anyway."""
        makes: dict[int, str] = {}
        seen: Counter[str] = Counter()
        kept: list[Event] = []
        for event in reversed(events):
            if isinstance(event, Samples):
                make = makes.get(id(event.shape))
                if make is None:
                    make = makes[id(event.shape)] = self._reader.make(event.shape)
                if not make or seen[make] == _WAITING:
                    continue
                seen[make] += 1
            kept.append(event)
        kept.reverse()
        return kept

    def _wait(self, when: float, readings: list[Reading]) -> None:
        kind = (readings[0].role, readings[0].key)
        self._waiting.setdefault(kind, deque(maxlen=_WAITING)).append((when, readings))

    def _written(self) -> None:
        self._changed = False
        self._rows = []


def _in_time(waiting: Iterable[deque[tuple[float, list[Reading]]]]) -> list[tuple[float, list[Reading]]]:
    """Lines in the order of time; one without a time follows the one before it."""
    found = []
    for lines in waiting:
        last = 0.0
        for when, readings in lines:
            last = when or last
            found.append((last, readings))
    return sorted(found, key=itemgetter(0))
