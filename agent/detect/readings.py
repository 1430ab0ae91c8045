"""From events to readings: single figures under the names that detectors look for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from rli_agent.catalogue import base_factor
from rli_agent.detect.robust import median
from rli_agent.events import Event, Interval, Labels, Problem, RolloutBatch, Samples, Shape, Source, role_of

STEP_SECONDS = "rl_step_duration_seconds"
#: Series that no framework prints: they follow from several events. What each is.
DERIVED = {
    "run:wait_share": "share of a step that the lane spent waiting (0 to 1)",
    "run:problems": "problems of level ERROR and CRITICAL in the last 10 min, environments' apart",
    "run:rollout_errors": "share of a batch's rollouts that carry an error (0 to 1)",
    "run:rollout_garbled": "share of a batch's rollouts that are empty or full of unreadable characters (0 to 1)",
    "run:rollout_repetitive": "share of a batch's rollouts whose end says the same again and again (0 to 1)",
    "run:checkpoint_age": "steps since the last checkpoint, divided by the usual number between two",
}
#: Labels that split a series into so many parts that no part can be judged: only the whole is looked at.
_PARTS = frozenset({"environment", "rank"})
#: Seconds within which problems are one storm, and how many are counted.
_WINDOW = 600.0
_MOST_PROBLEMS = 500
#: Kinds of problems that come by the dozen and mean little, or have detectors of their own.
_HARMLESS = frozenset({"env_error", "kv_preemption", "nan"})
#: Distances between checkpoints that tell what is usual.
_SAVES = 2


class Reading(NamedTuple):
    """A figure: `name` as detectors know it (common or derived name, or the framework's own), `key` the framework's
    own. `time` in Unix seconds, where known."""

    name: str
    key: str
    role: str
    labels: Labels
    file: str
    step: int | None
    time: float | None
    value: float


class Derived(Struct):
    """What series that follow from several events have to remember. `problems`: (time, count), oldest first."""

    problems: list[tuple[float, int]] = []
    saved_at: int | None = None
    apart: list[int] = []


class Slots(NamedTuple):
    """Which values of a shape are wanted: (index, name, factor); `whole` is the index of the step's duration, `waits`
    of those spent waiting, `save` of the checkpoint's."""

    shape: Shape
    wanted: list[tuple[int, str, float]]
    whole: int | None
    waits: list[int]
    save: int | None


class Reader:
    """Picks readings from events. `wanted` are the names that detectors look for."""

    def __init__(self, wanted: Collection[str], derived: Derived) -> None:
        self._wanted = frozenset(wanted)
        self._derived = derived
        self._slots: dict[int, Slots] = {}

    def read(self, events: Sequence[Event], source: Source) -> Iterator[list[Reading]]:
        """The readings of each event that has any."""
        for event in events:
            if isinstance(event, Samples):
                found = self._samples(event, source)
            elif isinstance(event, Interval):
                found = self._interval(event)
            elif isinstance(event, RolloutBatch):
                found = self._rollouts(event)
            elif isinstance(event, Problem):
                found = self._problem(event)
            else:
                continue
            if found:
                yield found

    def make(self, shape: Shape) -> str:
        """The framework's own key of the first reading that a line of this shape gives; empty where it gives none."""
        known = self._known(shape)
        if known.wanted:
            return shape.names[known.wanted[0][0]]
        first = known.whole if known.whole is not None else known.save
        return shape.names[first] if first is not None else ""

    def _known(self, shape: Shape) -> Slots:
        known = self._slots.get(id(shape))
        if known is None:
            if len(self._slots) > 8192:
                self._slots.clear()
            known = self._slots[id(shape)] = self._register(shape)  # holding the shape keeps its id its own
        return known

    def _samples(self, event: Samples, source: Source) -> list[Reading]:
        shape = event.shape
        known = self._known(shape)
        if not known.wanted and known.whole is None and known.save is None:
            return []
        role = role_of(shape.labels, source)
        labels = tuple(pair for pair in shape.labels if pair[0] != "role")
        values, place = event.values, (event.file, event.step, event.time)
        found = [Reading(name, shape.names[i], role, labels, *place, values[i] * f) for i, name, f in known.wanted]
        lane = shape.plan.lane or role if shape.plan is not None else role
        if known.whole is not None:
            waited = sum(max(0.0, values[i]) for i in known.waits) if known.waits else None
            found += self._step(shape.names[known.whole], lane, place, values[known.whole], waited)
        if known.save is not None and values[known.save] > 0.0:
            self._saved(event.step)
        return found

    def _register(self, shape: Shape) -> Slots:
        wanted = []
        if not any(name in _PARTS for name, _ in shape.labels):
            for i, (name, unit, metric) in enumerate(zip(shape.names, shape.units, shape.metrics, strict=True)):
                if metric is not None and metric in self._wanted:
                    wanted.append((i, metric, base_factor(unit)))
                if name in self._wanted:
                    wanted.append((i, name, 1.0))
        phases = shape.plan.phases if shape.plan is not None else ()
        whole = next((p.index for p in phases if p.part == "step"), None)
        waits = [p.index for p in phases if p.state == "wait" and p.part in ("inside", "ending")]
        save = next((p.index for p in phases if p.state == "save_ckpt"), None)
        return Slots(shape, wanted, whole, waits, save)

    def _interval(self, event: Interval) -> list[Reading]:
        if event.end is None:
            return []
        if event.state == "save_ckpt":
            self._saved(event.step)
        seconds = event.seconds
        if event.state != "step" or seconds is None:
            return []
        return self._step(event.key or "step", event.lane, (event.file, event.step, event.end), seconds, None)

    def _step(
        self, key: str, lane: str, place: tuple[str, int | None, float | None], seconds: float, waited: float | None
    ) -> list[Reading]:
        """A step of a lane is done."""
        found = [Reading(STEP_SECONDS, key, lane, (), *place, seconds)]
        if waited is not None and seconds > 0.0:
            found.append(Reading("run:wait_share", key, lane, (), *place, waited / seconds))
        step, usual = place[1], self._derived.apart
        if step is not None and self._derived.saved_at is not None and len(usual) >= _SAVES:
            self._derived.saved_at = min(self._derived.saved_at, step)  # a resumed run goes back
            age = (step - self._derived.saved_at) / median(usual)
            found.append(Reading("run:checkpoint_age", "run:checkpoint_age", lane, (), *place, age))
        if place[2] is not None and self._derived.problems:
            found.append(self._storm(place[0], place[2]))
        return [reading for reading in found if reading.name in self._wanted]

    def _saved(self, step: int | None) -> None:
        state = self._derived
        if step is None:
            return
        if state.saved_at is not None and step > state.saved_at:
            state.apart.append(step - state.saved_at)
            del state.apart[:-10]
        state.saved_at = step

    def _rollouts(self, event: RolloutBatch) -> list[Reading]:
        """Shares of a batch; one that grows comes again with the same step, and takes its own place."""
        total = event.total
        if event.phase != "train" or not total.count:
            return []
        shares = {
            "run:rollout_errors": total.errors,
            "run:rollout_garbled": total.garbled + total.empty,
            "run:rollout_repetitive": total.repetitive,
        }
        labels = (("environment", event.environment),)
        return [
            Reading(name, name, "rollouts", labels, event.file, event.step, event.time, part / total.count)
            for name, part in shares.items()
            if name in self._wanted
        ]

    def _problem(self, event: Problem) -> list[Reading]:
        if event.level not in ("ERROR", "CRITICAL") or event.kind in _HARMLESS or event.time is None:
            return []
        self._derived.problems.append((event.time, event.count))
        del self._derived.problems[:-_MOST_PROBLEMS]
        reading = self._storm(event.file, event.time)
        return [reading] if reading.name in self._wanted else []

    def _storm(self, file: str, time: float) -> Reading:
        name, state = "run:problems", self._derived
        state.problems = [(at, count) for at, count in state.problems if abs(time - at) <= _WINDOW]
        return Reading(name, name, "run", (), file, None, time, float(sum(count for _, count in state.problems)))
