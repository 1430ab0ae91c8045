"""A rollout's figures beside its reward: tokens, turns, seconds, parts of the reward, the environment's metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from rli_agent.parsers.rollouts.fields import raw_of, value_of, values
from rli_agent.parsers.rollouts.schema import Schema, first

#: Named parts of a reward, and metrics of an environment, that one rollout may have.
NAMED = 32


def quantities(schema: Schema, part: Any) -> dict[str, float]:
    """The quantities that a rollout's fields give, by name; parts and metrics with their kind before the colon."""
    found: dict[str, float] = {}
    prompt = _total(map(_size, first(part, schema.prompt_tokens)))
    tokens = _total(map(_size, first(part, schema.tokens)))
    if tokens is None and schema.total and prompt is not None:
        everything = _total(map(_size, first(part, schema.total)))
        tokens = everything - prompt if everything is not None else None
    turns = _total(_number(value_of(hit)) for hit in first(part, schema.turns))
    seconds = next((s for v in values(part, schema.seconds) if (s := _seconds(v)) is not None), None)
    told = {"prompt_tokens": prompt, "response_tokens": tokens, "turns": turns, "seconds": seconds}
    found.update((name, value) for name, value in told.items() if value is not None)
    for kind, paths in (("part", schema.parts), ("metric", schema.metrics)):
        for value in values(part, paths):
            if isinstance(value, dict):
                named = ((name, weighed(v, 1.0)) for name, v in list(value.items())[:NAMED])
                found.update((f"{kind}:{name}", v) for name, v in named if v is not None)
    return found


def _size(hit: Any) -> float | None:
    """How many tokens a field tells of: a number; or a list, one item a token, of which those count that are not 0 or
    false (a mask)."""
    raw = raw_of(hit)
    if raw[0] != ord("["):
        return _number(value_of(hit))
    text = bytes(raw)
    masked = text.count(b"true")
    if masked or b"false" in text:
        return float(masked)
    items = value_of(hit)
    return float(sum(bool(item) for item in items)) if isinstance(items, list) else None


def _seconds(value: Any) -> float | None:
    """A duration: a number, or an object with its `duration`, or its `start` and `end`."""
    if isinstance(value, dict):
        if (lasted := _number(value.get("duration"))) is not None:
            return lasted
        start, end = _number(value.get("start")), _number(value.get("end"))
        return end - start if start is not None and end is not None and end >= start > 0 else None
    return _number(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _total(found: Iterable[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return math.fsum(known) if known else None


def weighed(value: Any, weight: float | None = None) -> float | None:
    """A part of a reward: a number, or a {score, weight} object. `weight` takes the place of its own."""
    if isinstance(value, dict):
        score, own = value.get("score"), value.get("weight", 1.0) if weight is None else weight
        return score * own if isinstance(score, int | float) and isinstance(own, int | float) else None
    return value if isinstance(value, int | float) else None
