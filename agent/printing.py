"""Events as JSON lines: what `rli-agent parse` prints and what every test of a pack compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from rli_agent.events import Event, Interval, Problem, RolloutBatch, RunFact, Samples

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(list[float | int | str]).decode


def printed(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """One object an event (a metric line gives one a figure), keys that say nothing left out.

    A state that two lines delimit comes once, with its end; states that never ended come last.
    """
    opened: dict[tuple[str, str, str], Interval] = {}
    figures: Samples | None = None
    for event in events:
        if isinstance(event, Samples):
            figures = event
        if isinstance(event, Interval):
            key = (event.file, event.lane, event.state)
            if event.end is None:
                opened[key] = event
                continue
            opened.pop(key, None)
            if event.duration is None and event.start == event.end:
                continue  # only says that the state is over
        yield from _objects(event, figures)
    for event in opened.values():
        yield from _objects(event)


def _objects(event: Event, figures: Samples | None = None) -> Iterator[dict[str, Any]]:
    """`figures`: the metric line before; a state that it tells of was told when the line was written."""
    place = {"file": event.file, "line": event.line}
    if isinstance(event, Samples):
        time = {"time": event.time, "time_is": event.time_is} if event.time is not None else {}
        step = {"step": event.step} if event.step is not None else {}
        labels = dict(event.shape.labels)
        shape = event.shape
        for name, unit, metric, value in zip(shape.names, shape.units, shape.metrics, _DECODE(event.printed)):
            yield _said(
                {"type": "metric", **place, **time, **step, "name": name, "value": value, "unit": unit, "metric": metric},
                labels,
            )
    elif isinstance(event, Interval):
        said = {"type": "state", **place, "lane": event.lane, "state": event.state, "step": event.step}
        lasted = event.duration
        if lasted is None and event.start is not None and event.end is not None:
            lasted = event.end - event.start
        when = event.end if event.end is not None else event.start
        if figures is not None and event.key is not None and (figures.file, figures.line) == (event.file, event.line):
            when = figures.time
        times = {"time": when, "start": event.start, "end": event.end, "duration_s": lasted, "time_is": event.time_is}
        yield _said({**said, **times, "key": event.key}, {})
    elif isinstance(event, Problem):
        said = {"type": "problem", **place, "time": event.time, "step": event.step, "level": event.level}
        count = event.count if event.count != 1 else None
        yield _said({**said, "kind": event.kind, "message": event.message, "count": count, "rule": event.rule}, {})
    elif isinstance(event, RolloutBatch):
        said = {"type": "rollouts", **place, "step": event.step, "phase": event.phase, "environment": event.environment}
        rewards = {"reward_mean": event.reward_mean, "reward_min": event.reward_min, "reward_max": event.reward_max}
        yield _said({**said, "count": event.count, **rewards, "errors": event.errors, "truncated": event.truncated}, {})
    elif isinstance(event, RunFact):
        said = {"type": "fact", **place, "key": event.key, "value": event.value, "confidence": event.confidence}
        yield _said(said, {})


def _said(said: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    out = {k: v for k, v in said.items() if v is not None and v != ""}
    if labels:
        out["labels"] = labels
    return out


def json_line(said: dict[str, Any]) -> str:
    """One line of output."""
    return _ENCODE(said).decode()
