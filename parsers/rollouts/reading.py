"""A record to the rollouts that it holds, by what a rule pack says of its fields."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

from msgspec import Raw, Struct

from rli_agent.parsers.packs import Rollouts
from rli_agent.parsers.path_fields import path_fields, path_step
from rli_agent.parsers.rollouts.arrays import without_arrays
from rli_agent.parsers.rollouts.fields import Fields, hits, raw_of, value_of, values
from rli_agent.parsers.rollouts.quantities import quantities, weighed
from rli_agent.parsers.rollouts.schema import Schema, Told, first, value_is_there
from rli_agent.parsers.rollouts.signals import is_garbled, is_repetitive
from rli_agent.parsers.rollouts.texts import Text, beginning, ending, length, shape_of, written

#: No step is larger: a record may hold any number of digits.
LAST_STEP = 2**53
#: Records that are read as they are, after one with few arrays.
SELDOM = 31
#: Times that a record's texts may be of another shape than those before, until that is no longer reckoned with.
MISFITS = 8
#: Bytes of either end of a text that tell it from others, with its length.
_TELLING = 4096


class Rollout(Struct):
    """One rollout. What its record does not say is None (or not among the figures)."""

    reward: float | None
    outcomes: dict[str, float | int]
    labels: dict[str, str]
    figures: dict[str, float]
    solved: bool | None
    group: int | None
    text: int | None
    empty: bool
    repetitive: bool
    garbled: bool


class Reading(Struct):
    """What a record says of itself, and the rollouts in it (one, unless `each` names several)."""

    spec: Rollouts
    step: int | None
    phase: str
    environment: str
    truncated: bool
    cancelled: bool
    tool_errors: int
    error: str | None
    rollouts: list[Rollout]


class _Kind:
    """What all files have in common that the same entries describe: a run may have a hundred thousand of them."""

    def __init__(self, specs: Sequence[Rollouts]) -> None:
        self.specs = specs
        self.schemas = [Schema(spec) for spec in specs]
        self.paths = [path for schema in self.schemas for path in schema.paths()]
        self.keys = [key for spec in specs for key in spec.keys]
        self.fields = Fields(self.paths, self.keys)
        self.shaped: dict[tuple[Any, ...], Fields] = {}
        self.arrays = frozenset(step.encode() for path in self.paths for step in path[-2:])
        self.path_texts = [text for spec in specs for text in (*spec.step, spec.phase)]


_KINDS: dict[tuple[int, ...], _Kind] = {}


def _kind(specs: Sequence[Rollouts]) -> _Kind:
    key = tuple(map(id, specs))  # which are theirs as long as the kind holds them
    known = _KINDS.get(key)
    if known is None:
        if len(_KINDS) >= 256:
            _KINDS.clear()
        known = _KINDS[key] = _Kind(specs)
    return known


class Reader:
    """Reads the records of a file by the first of its entries whose keys they have. `path` is the file's whole path,
    `step` what it says of the step."""

    def __init__(self, specs: Sequence[Rollouts], path: str) -> None:
        self._kind = _kind(specs)
        self._shaped: Fields | None = None
        self._misfits = 0
        self._passed = 0
        fields = path_fields(self._kind.path_texts, path)
        self.step = path_step(fields)
        self._phase = fields.get("phase", "train")

    def find(self, data: bytes) -> tuple[Schema, Any] | None:
        """The entry that a record fits, and the record for it; None where none fits. Raises ValueError for no JSON."""
        record = self._read(data)
        schema = next((s for s in self._kind.schemas if s.fits(record)), None) if record is not None else None
        if schema is None:
            return None
        if self._shaped is None and self._misfits < MISFITS:
            self._learn(schema, record)
        return schema, record

    def _read(self, data: bytes) -> Any:
        """Texts are most of a record: where they are of the shape of those before, it is read in one go."""
        data = self._lighter(data)
        if self._shaped is not None:
            try:
                return self._shaped.read_as_shaped(data)
            except (ValueError, RecursionError):
                self._misfits += 1
                self._shaped = None
        return self._kind.fields.read(data)

    def _lighter(self, data: bytes) -> bytes:
        """The record without long arrays that no path leads to; tried seldom while there are few."""
        if self._passed:
            self._passed -= 1
            return data
        lighter = without_arrays(data, self._kind.arrays)
        if len(lighter) * 5 > len(data) * 4:
            self._passed = SELDOM
        return lighter

    def _learn(self, schema: Schema, record: Any) -> None:
        """See which shape the texts of this record have."""
        shapes = []
        for path in sorted({*schema.prompt, *schema.completion}):
            whole = (*schema.each, *path)
            shapes.append((whole, next((shape_of(hit) for hit in hits(record, whole) if value_is_there(hit)), Raw)))
        kind, key = self._kind, tuple(shapes)
        self._shaped = kind.shaped.get(key)
        if self._shaped is None:
            self._shaped = kind.shaped[key] = Fields(kind.paths, kind.keys, dict(shapes))

    def read(self, data: bytes) -> Reading | None:
        """What a record says; None where no entry fits it. Raises ValueError for what is no JSON."""
        found = self.find(data)
        return self.reading(*found) if found is not None else None

    def reading(self, schema: Schema, record: Any) -> Reading:
        """What a record says by this entry."""
        group = next((_mark(hit) for hit in first(record, schema.group)), None)
        return Reading(
            schema.spec, self._step_of(schema, record),
            self._phase if schema.spec.phase.startswith("path:") else schema.spec.phase,
            next((str(v) for v in values(record, schema.environment) if isinstance(v, str)), ""),
            _is(record, schema.truncated), _is(record, schema.cancelled),
            sum(bool(v) for v in values(record, schema.tool_errors)), _error(schema, record),
            [_rollout(schema, part, group) for part in schema.parts_of(record)],
        )  # fmt: skip

    def _step_of(self, schema: Schema, record: Any) -> int | None:
        for path in schema.step:
            if path is None:
                if self.step is not None:
                    return self.step
                continue
            for value in values(record, (path,)):
                if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LAST_STEP:
                    return value
        return None


def _rollout(schema: Schema, part: Any, group: int | None) -> Rollout:
    reward = _reward(schema, part)
    outcomes: dict[str, float | int] = {} if reward is None else {"reward": reward}
    for name, path in schema.outcomes:
        outcomes.update((name, v) for v in values(part, (path,)) if isinstance(v, int | float))
    total = reward if reward is not None else next((float(v) for v in outcomes.values()), None)
    figures = quantities(schema, part)
    asked_for, answer = schema.texts(part)
    texts = written(answer.texts)
    if answer.turns and "turns" not in figures:
        figures["turns"] = float(answer.turns)
    if texts and "response_tokens" not in figures:
        figures["response_chars"] = float(sum(length(text.raw) for text in texts))
    last = ending(texts[-1].raw) if texts else ""
    if group is None and asked_for:
        group = _marks(asked_for)
    return Rollout(
        total, outcomes, {k: v for k, p in schema.labels for v in values(part, (p,)) if isinstance(v, str)}, figures,
        _solved(schema, part, total), group, _marks(texts) if texts else None,
        bool(answer.texts) and not answer.calls and all(_is_blank(text.raw) for text in texts),
        is_repetitive(last), is_garbled(last) or (len(texts) > 0 and is_garbled(beginning(texts[0].raw))),
    )  # fmt: skip


def _is_blank(raw: memoryview) -> bool:
    return len(raw) < 1000 and not beginning(raw).strip()


def _reward(schema: Schema, part: Any) -> float | None:
    for path in schema.reward:
        found = [w for w in map(weighed, values(part, (path,))) if w is not None]
        if found:
            return found[0] if len(found) == 1 else math.fsum(found)
    return None


def _solved(schema: Schema, part: Any, reward: float | None) -> bool | None:
    """Whether the task was solved. Where no field says it: a reward of 1 says yes, one of 0 or -1 no."""
    if schema.solved and any(True for t in schema.solved for _ in hits(part, t.path)):
        return _is(part, schema.solved)
    return reward == 1.0 if reward in (1.0, 0.0, -1.0) else None


def _error(schema: Schema, record: Any) -> str | None:
    for path in schema.error:
        for hit in hits(record, path):
            value = value_of(hit)
            if value:
                return value if isinstance(value, str) else bytes(raw_of(hit)).decode(errors="replace")
    if any(value_of(hit) is False for t in schema.ok for hit in hits(record, t.path)):
        return "the record says that it is not ok"
    return None


def _is(record: Any, conditions: Sequence[Told]) -> bool:
    for path, word in conditions:
        for hit in hits(record, path):
            value = value_of(hit)
            if value == word if word is not None else value is True or value == 1.0:
                return True
    return False


def _mark(hit: Any) -> int:
    """A number that stands for what is in a field."""
    return _mark_of(raw_of(hit), 0)


def _marks(texts: Sequence[Text]) -> int:
    mark = 0
    for text in texts:
        mark = _mark_of(text.raw, mark)
    return mark


def _mark_of(raw: memoryview, mark: int) -> int:
    mark = zlib.crc32(raw[:_TELLING], (mark + len(raw)) & 0xFFFFFFFF)
    return zlib.crc32(raw[-_TELLING:], mark) if len(raw) > _TELLING else mark
