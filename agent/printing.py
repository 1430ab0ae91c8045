"""Events as JSON lines: what `rli-agent parse` prints and what every test of a pack compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from rli_agent.events import Event, Interval, Problem, RolloutBatch, RunFact, Samples
from rli_agent.parsers.timeline import intervals
from rli_agent.rollout_statistics import COUNTS, RolloutStatistics

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(list[float | int | str]).decode


def printed(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """One object an event (a metric line gives one a figure), keys that say nothing left out.

    A state that two lines delimit comes once, with its end; states that never ended come last.
    """
    opened: dict[tuple[str, str, str], Interval] = {}
    for event in events:
        if isinstance(event, Interval):
            key = (event.file, event.lane, event.state)
            if event.end is None:
                opened[key] = event
                continue
            opened.pop(key, None)
            if event.duration is None and event.start == event.end:
                continue  # only says that the state is over
        yield from _objects(event)
        if isinstance(event, Samples):
            for interval in intervals(event):
                yield _state(interval, event.time)
    for event in opened.values():
        yield from _objects(event)


def _objects(event: Event) -> Iterator[dict[str, Any]]:
    place = {"file": event.file, "line": event.line}
    if isinstance(event, Samples):
        time = {"time": event.time, "time_is": event.time_is} if event.time is not None else {}
        step = {"step": event.step} if event.step is not None else {}
        labels = dict(event.shape.labels)
        shape = event.shape
        printed = zip(shape.names, shape.units, shape.metrics, _DECODE(event.printed), strict=True)
        kind = shape.declared.kind if shape.declared is not None and shape.is_tallied else None
        for name, unit, metric, value in printed:
            yield _said(
                {
                    "type": "metric",
                    **place,
                    **time,
                    **step,
                    "name": name,
                    "value": value,
                    "unit": unit,
                    "metric": metric,
                    "kind": kind,
                },
                labels,
            )
    elif isinstance(event, Interval):
        yield _state(event, event.end if event.end is not None else event.start)
    elif isinstance(event, Problem):
        said = {"type": "problem", **place, "time": event.time, "step": event.step, "level": event.level}
        count = event.count if event.count != 1 else None
        yield _said({**said, "kind": event.kind, "message": event.message, "count": count, "rule": event.rule}, {})
    elif isinstance(event, RolloutBatch):
        yield _rollouts(event)
    elif isinstance(event, RunFact):
        said = {"type": "fact", **place, "key": event.key, "value": event.value, "confidence": event.confidence}
        yield _said(said, {})


def figures_object(total: RolloutStatistics) -> dict[str, Any]:
    """How each quantity of some rollouts is spread."""
    return {
        name: {"count": d.count, "mean": d.mean, "std": d.std, "min": d.least, "max": d.most}
        for name, d in total.figures.items()
        if d.count
    }


def _rollouts(event: RolloutBatch) -> dict[str, Any]:
    place = {"type": "rollouts", "file": event.file, "line": event.line, "step": event.step, "phase": event.phase}
    total = event.total
    reward = total.figure("reward")
    rewards = {"reward_mean": reward.mean, "reward_std": reward.std} | (
        {"reward_min": reward.least, "reward_max": reward.most} if reward.count else {}
    )
    counts = {name: getattr(total, name) for name in COUNTS}
    always = {"count", "errors", "truncated"}
    figures = {name: figure for name, figure in figures_object(total).items() if name != "reward"}
    said = place | {"environment": event.environment, **rewards}
    said |= {name: count for name, count in counts.items() if count or name in always}
    return _said(said | ({"figures": figures} if figures else {}), {})


def _state(event: Interval, time: float | None) -> dict[str, Any]:
    """`time`: when the line that tells of it was written."""
    said = {"type": "state", "file": event.file, "line": event.line, "lane": event.lane, "state": event.state}
    times = {"time": time, "start": event.start, "end": event.end, "duration_s": event.seconds}
    labels = {name: str(value) for name, value in event.attributes}
    return _said({**said, "step": event.step, **times, "time_is": event.time_is, "key": event.key}, labels)


def _said(said: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    out = {k: v for k, v in said.items() if v is not None and v != ""}
    if labels:
        out["labels"] = labels
    return out


def json_line(said: dict[str, Any]) -> str:
    """One line of output."""
    return _ENCODE(said).decode()
