"""The detectors at work: readings in, alerts out. Its state is all that it knows, and survives the agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from rli_agent.detect.history import History
from rli_agent.detect.language import Case, Detector, Names, Shift, Some
from rli_agent.detect.measure import Evidence, measure
from rli_agent.detect.readings import Derived, Reading
from rli_agent.events import Labels
from rli_agent.message import Severity

#: Series that are followed; what exceeds it is not looked at.
MOST = 512
#: How grave severities are.
RANK = {"info": 0, "warning": 1, "critical": 2}


class Alert(Struct, frozen=True):
    """A detector was raised (`firing`), got graver, or is over (`resolved`). `episode` counts the detector's alerts;
    `incident` is the id of the one that came first where several belong together, else its own. `key`, `role` and
    `labels` name the series whose sample decided."""

    detector: str
    severity: Severity
    status: Literal["firing", "resolved"]
    episode: int
    incident: str
    step: int | None
    time: float | None
    file: str
    key: str
    role: str
    labels: Labels
    evidence: Evidence

    @property
    def id(self) -> str:
        return f"{self.detector}/{self.episode}"


class Member(Struct):
    """A series that raised an alert: `evidence` then, healthy samples in a row since."""

    evidence: Evidence
    calm: int = 0


class Episode(Struct):
    """An alert that is not over. `members` by case and series."""

    number: int
    severity: Severity
    incident: str
    members: dict[str, Member] = {}


class State(Struct):
    """What the detectors remember of a run."""

    histories: list[History] = []
    held: dict[str, int] = {}
    episodes: dict[str, Episode] = {}
    counts: dict[str, int] = {}
    derived: Derived = msgspec.field(default_factory=Derived)


class Look(NamedTuple):
    """A case of a detector at one series. `key` names it among the detector's."""

    detector: Detector
    case: Case
    history: History
    key: str


class Engine:
    """Judges a run by these detectors."""

    def __init__(self, detectors: Iterable[Detector], state: State | None = None) -> None:
        self._detectors = {d.name: d for d in detectors if not d.off}
        self.state = state if state is not None else State()
        for name in self.state.episodes.keys() - self._detectors.keys():  # they were switched off meanwhile
            del self.state.episodes[name]
        self._index: dict[tuple[str, str, str, Labels], History] = {}
        self._by_name: dict[str, list[History]] = {}
        self._looks: dict[tuple[str, str, str, Labels], list[Look]] = {}
        for history in self.state.histories:
            self._remember(history)

    @property
    def wanted(self) -> set[str]:
        """The names of all series that any detector looks at."""
        return {name for detector in self._detectors.values() for name in series_of(detector)}

    def record(self, readings: Sequence[Reading]) -> list[Alert]:
        """Take in the figures of one line; the alerts that follow."""
        fresh = []
        for reading in readings:
            key = (reading.name, reading.key, reading.role, reading.labels)
            history = self._index.get(key) or self._new(reading)
            if history is not None and history.add(reading.value, reading.step, reading.time, reading.file):
                fresh.append(key)
        alerts: list[Alert] = []
        for key in fresh:
            for look in self._looks[key]:
                self._judge(look, alerts)
        return alerts

    def history(self, alert: Alert) -> History | None:
        """The series that raised an alert."""
        found = self._by_name.get(alert.evidence.series, ())
        return next((h for h in found if h.role == alert.role and h.labels == alert.labels), None)

    # -- one case at one series

    def _judge(self, look: Look, alerts: list[Alert]) -> None:
        detector, case, history, key = look
        if not isinstance(case.series, str) and history.name != next(n for n in case.series if n in self._by_name):
            return  # the run has one that goes before
        episode = self.state.episodes.get(detector.name)
        if episode is not None and key in episode.members:
            self._follow(look, episode, alerts)
            return
        evidence = None
        if not any(name in self.state.episodes for name in detector.muted_by):
            evidence = self._holds(case, history)
        if case.hold > 1:
            held = self.state.held.pop(f"{detector.name} {key}", 0) + 1
            if evidence is not None and held < case.hold:
                self.state.held[f"{detector.name} {key}"] = held
                return
        if evidence is not None:
            self._raise(look, evidence, alerts)

    def _holds(self, case: Case, history: History) -> Evidence | None:
        def lookup(names: Names) -> History | None:
            return self._beside(names, history)

        first: Evidence | None = None
        for test in case.when:
            if test.optional and test.series is not None and lookup(test.series) is None:
                continue
            evidence = measure(test, history, lookup)
            if evidence is None:
                return None
            if first is None:
                first = evidence
        if any(measure(test, history, lookup) is not None for test in case.unless):
            return None
        return first

    def _raise(self, look: Look, evidence: Evidence, alerts: list[Alert]) -> None:
        name, episodes = look.detector.name, self.state.episodes
        severity = look.case.severity or look.detector.severity
        if _critical(look.case, evidence):
            severity = "critical"
        episode = episodes.get(name)
        known = episode is not None and RANK[severity] <= RANK[episode.severity]
        if episode is None:
            number = self.state.counts[name] = self.state.counts.get(name, 0) + 1
            episode = Episode(number, severity, self._incident(look.detector) or f"{name}/{number}")
            episodes[name] = episode
        episode.members[look.key] = Member(evidence)
        if not known:
            episode.severity = severity
            alerts.append(_alert(look, episode, evidence, "firing"))

    def _incident(self, detector: Detector) -> str | None:
        """The incident that is going on, where another alert of the group is raised."""
        episodes = self.state.episodes.items()
        return next((e.incident for name, e in episodes if self._detectors[name].group == detector.group), None)

    def _follow(self, look: Look, episode: Episode, alerts: list[Alert]) -> None:
        """A series that raised the alert has a new sample: it may be over, or worse."""
        member, history = episode.members[look.key], look.history
        name = member.evidence.series
        judged = history if name == history.name else self._beside(name, history)
        if judged is not None and not member.evidence.over(judged):
            member.calm = 0
            now = member.evidence.now(judged)
            if episode.severity != "critical" and _critical(look.case, now):
                episode.severity = "critical"
                alerts.append(_alert(look, episode, now, "firing"))
            return
        member.calm += 1
        if member.calm < look.detector.clear or self._holds(look.case, history) is not None:
            return
        del episode.members[look.key]
        if not episode.members:
            del self.state.episodes[look.detector.name]
            evidence = member.evidence if judged is None else member.evidence.now(judged)
            alerts.append(_alert(look, episode, evidence, "resolved"))

    # -- series

    def _new(self, reading: Reading) -> History | None:
        if len(self._index) >= MOST:
            return None
        history = History(reading.name, reading.key, reading.role, reading.labels, reading.file)
        self.state.histories.append(history)
        self._remember(history)
        return history

    def _remember(self, history: History) -> None:
        key = (history.name, history.key, history.role, history.labels)
        self._index[key] = history
        self._by_name.setdefault(history.name, []).append(history)
        where = " ".join((history.key, history.role, *(value for _, value in history.labels)))
        self._looks[key] = [
            Look(detector, case, history, f"{number} {where}")
            for detector in self._detectors.values()
            for number, case in enumerate(detector.cases)
            if history.name in _names(case.series)
        ]

    def _beside(self, names: Names, own: History) -> History | None:
        """The series of the first name that the run has; of several that of the same writer, else the longest."""
        for name in _names(names):
            found = self._by_name.get(name)
            if found:
                if len(found) == 1:
                    return found[0]
                return max(found, key=lambda h: (h.labels == own.labels, h.role == own.role, h.seen))
        return None


def series_of(detector: Detector) -> Iterator[str]:
    """The names of all series that a detector looks at."""
    for case in detector.cases:
        yield from _names(case.series)
        for test in (*case.when, *case.unless):
            for single in test.of if isinstance(test, Some) else (test,):
                yield from _names(single.series) if single.series is not None else ()
                if isinstance(single, Shift) and single.beside is not None:
                    yield single.beside


def _names(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else names


def _critical(case: Case, evidence: Evidence) -> bool:
    return case.critical is not None and evidence.factor() >= case.critical


def _alert(look: Look, episode: Episode, evidence: Evidence, status: Literal["firing", "resolved"]) -> Alert:
    history = look.history
    severity: Severity = episode.severity if status == "firing" else "info"
    return Alert(
        look.detector.name, severity, status, episode.number, episode.incident, history.step, history.time,
        history.file, history.key, history.role, history.labels, evidence,
    )  # fmt: skip
