"""JSONL to events: metric files (one record a step) and rollout files (one record a rollout).

Records are data: problem rules never run over their text.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Problem, RolloutBatch, Samples, Source, TimeIs
from rli_agent.parsers.compiled import PATTERN_TIMEOUT, RuleSet, compiled
from rli_agent.parsers.globs import Glob
from rli_agent.parsers.packs import Pack, Records, Rollouts
from rli_agent.parsers.timestamps import Shift

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode


class Tally(Struct):
    """What the records of one step, phase and environment of a file add up to so far."""

    line: int
    offset: int
    step: int | None
    phase: str
    environment: str
    count: int = 0
    reward_count: int = 0
    reward_sum: float = 0.0
    reward_min: float | None = None
    reward_max: float | None = None
    errors: int = 0
    truncated: int = 0


class RecordState(Struct):
    """What must be remembered between two records. `broken` counts lines that are no JSON object."""

    tallies: dict[str, Tally] = {}
    changed: list[str] = []
    broken: int = 0

    def encode(self) -> bytes:
        return _ENCODE(self)

    @classmethod
    def decode(cls, data: bytes) -> RecordState:
        """Raises msgspec.DecodeError (a ValueError) where the bytes are of another version."""
        return msgspec.json.decode(data, type=cls)


class RecordParser:
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
        self.state = state or RecordState()
        self._records = [r for p in packs for r in p.records if _path_fits(r.paths, path)]
        self._rollouts = [r for p in packs for r in p.rollouts if _path_fits(r.paths, path)]
        self._file_fields: dict[str, str] = {}
        told = [text for rollout in self._rollouts for text in (*rollout.step, rollout.phase)]
        for text in (*told, *(spec.step or "" for spec in self._records)):
            if text.startswith("path:"):
                match = re.search(text[5:], path)
                self._file_fields |= {k: v for k, v in match.groupdict().items() if v} if match else {}

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole lines; see SourceParser.feed."""
        events: list[Event] = []
        at = 0
        for raw in data.split(b"\n"):
            if raw.strip():
                try:
                    record = _DECODE(raw)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    self.state.broken += 1
                else:
                    if isinstance(record, dict):
                        self._record(record, line, offset + at, now, events)
            at += len(raw) + 1
            line += 1
        return events

    def flush(self) -> list[Event]:
        """The file is quiet or over: the rollouts read so far, summed up."""
        changed, self.state.changed = self.state.changed, []
        tallies = [self.state.tallies[key] for key in changed]
        return [
            RolloutBatch(
                self.source.file, t.line, t.offset, None, "estimated", t.step, "eval" if t.phase == "eval" else "train",
                t.environment, t.count, t.reward_count, t.reward_sum, t.reward_min, t.reward_max, t.errors, t.truncated,
            )
            for t in tallies
        ]  # fmt: skip

    def settle(self, mtime: float) -> Shift | None:
        """Records carry full times or none: nothing to mend."""
        del mtime
        return None

    def _record(self, record: dict[str, Any], line: int, offset: int, now: float | None, events: list[Event]) -> None:
        for rollout in self._rollouts:
            if all(k in record for k in rollout.keys):
                self._rollout(rollout, record, line, offset, now, events)
                return
        for spec in self._records:
            if all(k in record for k in spec.keys):
                self._metrics(spec, record, line, offset, now, events)
                return

    def _metrics(
        self, spec: Records, record: dict[str, Any], line: int, offset: int, now: float | None, events: list[Event]
    ) -> None:
        step = record.get(spec.step) if spec.step else None
        if spec.step is not None and spec.step.startswith("path:"):
            step = self._number([spec.step], {})
        time = record.get(spec.time) if spec.time else None
        values = record.get(spec.values) if spec.values else record
        if not isinstance(values, dict):
            return
        hidden = {spec.step, spec.time, *spec.drop} if not spec.values else set()
        figures = {k: float(v) for k, v in values.items() if k not in hidden and isinstance(v, int | float)}
        if not figures:
            return
        role = _role_of(spec, figures)
        labels = _labels_of(spec, next(iter(figures))) | ({"role": role} if role else {})
        logged = isinstance(time, int | float)
        samples = self._samples(
            line, offset, float(time or 0.0) if logged else now, "logged" if logged else "observed" if now else
            "estimated",
            int(step) if isinstance(step, int | float) else None,
            {k: values[k] for k in figures}, labels,
        )  # fmt: skip
        events.append(samples)

    def _rollout(
        self, spec: Rollouts, record: dict[str, Any], line: int, offset: int, now: float | None, events: list[Event]
    ) -> None:
        step = self._number(spec.step, record)
        environment = next((str(v) for p in spec.environment for v in _at(record, p) if isinstance(v, str)), "")
        phase = self._file_fields.get("phase", "train") if spec.phase.startswith("path:") else spec.phase
        key = f"{step}\0{phase}\0{environment}"
        tally = self.state.tallies.get(key)
        if tally is None:
            tally = self.state.tallies[key] = Tally(line, offset, step, phase, environment)
        if key not in self.state.changed and not spec.part:
            self.state.changed.append(key)
        tally.count += 1
        tally.truncated += any(v is True for p in spec.truncated for v in _at(record, p))
        labels = {"environment": environment} if environment else {}
        time_is = "observed" if now is not None else "estimated"
        for part in _at(record, spec.each) if spec.each else (record,):
            figures: dict[str, Any] = {}
            reward = self._reward(spec, part)
            if reward is not None:
                figures["reward"] = reward
            for name in spec.outcomes:
                figures.update((name, v) for v in _at(part, name) if isinstance(v, int | float))
            total = reward if reward is not None else next(iter(figures.values()), None)
            if total is not None and math.isfinite(total):
                tally.reward_count += 1
                tally.reward_sum += total
                tally.reward_min = total if tally.reward_min is None else min(tally.reward_min, total)
                tally.reward_max = total if tally.reward_max is None else max(tally.reward_max, total)
            if figures:
                own = {k: v for k, p in spec.labels.items() for v in _at(part, p) if isinstance(v, str)}
                events.append(self._samples(line, offset, now, time_is, step, figures, labels | own))
        error = self._error(spec, record)
        if error is not None:
            tally.errors += 1
            known: TimeIs = "observed" if now is not None else "estimated"
            about = tuple(sorted({**dict(self.rules.labels), **labels}.items()))
            file, said = self.source.file, error[:4096]
            events.append(Problem(file, line, offset, now, known, "ERROR", "env_error", said, 1, step, None, about))

    def _samples(
        self, line: int, offset: int, time: float | None, time_is: Any, step: int | None,
        figures: Mapping[str, Any], labels: Mapping[str, str],
    ) -> Samples:  # fmt: skip
        names = tuple(figures)
        shape = self.rules.shape(names, (None,) * len(names), labels)
        printed = _ENCODE([int(v) if isinstance(v, bool) else v for v in figures.values()]).decode()
        values = [float(v) for v in figures.values()]
        return Samples(self.source.file, line, offset, time, time_is, step, shape, values, printed)

    def _number(self, paths: Sequence[str], record: dict[str, Any]) -> int | None:
        for path in paths:
            if path.startswith("path:"):
                if "step" in self._file_fields:
                    return int(self._file_fields["step"])
                continue
            for value in _at(record, path):
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        return None

    def _reward(self, spec: Rollouts, record: dict[str, Any]) -> float | None:
        for path in spec.reward:
            found = [w for w in map(_weighed, _at(record, path)) if w is not None]
            if found:
                return found[0] if len(found) == 1 else math.fsum(found)
        return None

    def _error(self, spec: Rollouts, record: dict[str, Any]) -> str | None:
        for path in spec.error:
            for value in _at(record, path):
                if value:
                    return value if isinstance(value, str) else _ENCODE(value).decode(errors="replace")
        if any(value is False for path in spec.ok for value in _at(record, path)):
            return "the record says that it is not ok"
        return None


def _role_of(spec: Records, figures: Mapping[str, Any]) -> str | None:
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


def _weighed(value: Any) -> float | None:
    if isinstance(value, dict):
        score, weight = value.get("score"), value.get("weight", 1.0)
        return score * weight if isinstance(score, int | float) and isinstance(weight, int | float) else None
    return value if isinstance(value, int | float) else None


def _at(value: Any, path: str) -> Iterator[Any]:
    """All values at a dotted path; `*` runs over a list's items or an object's values."""
    head, _, rest = path.partition(".")
    inner: Sequence[Any]
    if head == "*":
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    else:
        inner = (value[head],) if isinstance(value, dict) and head in value else ()
    for item in inner:
        if rest:
            yield from _at(item, rest)
        else:
            yield item


def _path_fits(globs: Sequence[str], file: str) -> bool:
    return not globs or any(Glob(glob).fits(file) for glob in globs)
