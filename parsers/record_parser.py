"""JSONL to events: metric files (one record a step) and rollout files (one record a rollout).

Records are data: problem rules never run over their text.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Problem, RunFact, Samples, Source, TimeIs, as_printed
from rli_agent.parsers.compiled import PATTERN_TIMEOUT, RuleSet, compiled
from rli_agent.parsers.globs import Glob
from rli_agent.parsers.packs import Pack, Records, prefixed
from rli_agent.parsers.path_fields import path_fields, path_step
from rli_agent.parsers.remembered import Remembered, Timed
from rli_agent.parsers.rollouts.reading import Reader, Reading
from rli_agent.parsers.rollouts.tally import Tally

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode
#: Digits of the largest step that is believed.
_DIGITS = 18


class RecordState(Struct, Remembered):
    """What must be remembered between two records. `broken` counts lines that are no JSON object. max_steps: as the
    records say beside their step."""

    max_steps: str = ""
    tallies: dict[str, Tally] = {}
    changed: list[str] = []
    broken: int = 0


class RecordParser(Timed):
    """Reads one JSONL source by the first `records` or `rollouts` entry of its packs whose paths and keys fit.

    `path` is the file's whole path: a part of a run may be given alone.
    """

    def __init__(
        self,
        source: Source,
        rules: RuleSet,
        packs: Sequence[Pack],
        path: str,
        state: RecordState | None = None,
    ) -> None:
        self.source = source
        self.rules = rules
        self._state: RecordState | None = state or RecordState()
        self._resting = b""
        self._records = [r for p in packs for r in p.records if path_fits(r.paths, path)]
        rollouts = [r for p in packs for r in p.rollouts if path_fits(r.paths, path)]
        self._step = path_step(path_fields((spec.step or "" for spec in self._records), path))
        self._reader = Reader(rollouts, path) if rollouts else None

    @property
    def waiting(self) -> bool:
        """Whether `flush` would give something."""
        return self._state is not None and bool(self._state.changed)

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole lines; see SourceParser.feed."""
        events: list[Event] = []
        at = 0
        while at < len(data):
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            raw = data[at:end]
            if raw and not raw.isspace():
                try:
                    self._record(raw, line, offset + at, now, events)
                except (ValueError, OverflowError, RecursionError):
                    self.state.broken += 1
            at = end + 1
            line += 1
        return events

    @property
    def state(self) -> RecordState:
        """What is remembered."""
        if self._state is None:
            self._state, self._resting = RecordState.decode(self._resting), b""
        return self._state

    def rest(self) -> None:
        """The file is quiet: what is remembered of it is kept small, since a run may have very many of them."""
        if self._state is not None:
            self._resting = self._state.encode()
            self._state = None

    def flush(self) -> list[Event]:
        """The file is quiet or over: the rollouts read so far, summed up."""
        changed, self.state.changed = self.state.changed, []
        tallies = [self.state.tallies[key] for key in changed]
        return [tally.batch(self.source.file) for tally in tallies]

    def _record(self, raw: bytes, line: int, offset: int, now: float | None, events: list[Event]) -> None:
        """Raises ValueError (msgspec.DecodeError is one) or RecursionError for what is no JSON, OverflowError for a
        figure of more digits than any float has."""
        if self._reader is not None:
            reading = self._reader.read(raw)
            if reading is not None:
                self._rollout(reading, line, offset, now, events)
                return
        if self._records:
            record = _DECODE(raw)
            fits = (s for s in self._records if isinstance(record, dict) and all(k in record for k in s.keys))
            spec = next(fits, None)
            if spec is not None:
                self._metrics(spec, record, line, offset, now, events)

    def _metrics(
        self, spec: Records, record: dict[str, Any], line: int, offset: int, now: float | None, events: list[Event]
    ) -> None:
        step = record.get(spec.step) if spec.step else None
        if spec.step is not None and spec.step.startswith("path:"):
            step = self._step
        elif isinstance(step, str):
            step, _, total = step.partition("/")
            if total.isdecimal() and total != self.state.max_steps:
                self.state.max_steps = total[:_DIGITS]
                known: TimeIs = "observed" if now is not None else "estimated"
                events.append(RunFact(self.source.file, line, offset, now, known, "max_steps", self.state.max_steps))
            step = int(step) if step.isdecimal() and len(step) <= _DIGITS else None
        time = record.get(spec.time) if spec.time else None
        values = record.get(spec.values) if spec.values else record
        if not isinstance(values, dict):
            return
        hidden = {spec.step, spec.time, *spec.drop} if not spec.values else set()
        figures = {k: float(v) for k, v in values.items() if k not in hidden and isinstance(v, int | float)}
        if not figures:
            return
        role = role_of(spec, figures)
        labels = _labels_of(spec, next(iter(figures))) | ({"role": role} if role else {})
        logged = isinstance(time, int | float)
        samples = self._samples(
            line, offset, float(time or 0.0) if logged else now, "logged" if logged else "observed" if now else
            "estimated",
            int(step) if isinstance(step, int | float) else None,
            {prefixed(spec.prefix, k): values[k] for k in figures}, labels,
        )  # fmt: skip
        events.append(samples)

    def _rollout(self, reading: Reading, line: int, offset: int, now: float | None, events: list[Event]) -> None:
        labels = {"environment": reading.environment} if reading.environment else {}
        known: TimeIs = "observed" if now is not None else "estimated"
        for rollout in reading.rollouts:
            if rollout.outcomes:
                about = labels | rollout.labels
                events.append(self._samples(line, offset, now, known, reading.step, rollout.outcomes, about))
        if not reading.spec.part:
            self._add(reading, line, offset, now)
        if reading.error is not None:
            about_it = tuple(sorted({**dict(self.rules.labels), **labels}.items()))
            place, said = (self.source.file, line, offset, now, known), reading.error[:4096]
            events.append(Problem(*place, "ERROR", "env_error", said, 1, reading.step, None, about_it))

    def _add(self, reading: Reading, line: int, offset: int, now: float | None) -> None:
        """Count a record in."""
        key = f"{reading.step}\0{reading.phase}\0{reading.environment}"
        tally = self.state.tallies.get(key)
        if tally is None:
            tally = self.state.tallies[key] = Tally(line, offset, reading.step, reading.phase, reading.environment)
        if key not in self.state.changed:
            self.state.changed.append(key)
        tally.add(reading)
        tally.time = now if now is not None else tally.time

    def _samples(
        self, line: int, offset: int, time: float | None, time_is: Any, step: int | None,
        figures: Mapping[str, Any], labels: Mapping[str, str],
    ) -> Samples:  # fmt: skip
        names = tuple(figures)
        shape = self.rules.shape(names, (None,) * len(names), labels)
        printed = _ENCODE([int(v) if isinstance(v, bool) else as_printed(v) for v in figures.values()]).decode()
        values = [float(v) for v in figures.values()]
        return Samples(self.source.file, line, offset, time, time_is, step, shape, values, printed)


def role_of(spec: Records, figures: Mapping[str, Any]) -> str | None:
    """The role whose keys a record holds; globs are tried where no key is there as it stands."""
    exact = next((r for r, keys in spec.role_of.items() if any(k in figures for k in keys)), None)
    if exact is not None:
        return exact
    globs = ((r, k) for r, keys in spec.role_of.items() for k in keys if "*" in k)
    return next((r for r, glob in globs if fnmatch.filter(figures, glob)), None)


def _labels_of(spec: Records, key: str) -> dict[str, str]:
    labels = {}
    for label, pattern in spec.labels.items():
        try:
            found = compiled(pattern).search(key, timeout=PATTERN_TIMEOUT)
        except TimeoutError:
            continue
        if found is not None:
            labels[label] = found[1]
    return labels


def path_fits(globs: Sequence[str], file: str) -> bool:
    """Whether a file may be what an entry with these globs describes."""
    return not globs or any(_glob(glob).fits(file) for glob in globs)


@lru_cache(maxsize=1024)
def _glob(text: str) -> Glob:
    return Glob(text)
