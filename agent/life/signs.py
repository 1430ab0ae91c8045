"""What an event says about whether a run moves: a step, progress inside one, or nothing at all."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

from rli_agent.events import Event, Interval, RunFact, Samples

#: Roles whose steps are the run's.
STEPPING = frozenset({"trainer", "metrics", "unknown"})
#: An engine that makes no tokens makes no progress, whatever else it counts.
_TOKENS = frozenset({"rl_engine_generation_tokens_per_second", "rl_engine_prompt_tokens_per_second"})
_RUNNING = "rl_engine_requests_running"
#: Figures that change also where nothing moves: clocks, machines, polls.
_RESTLESS = re.compile(
    r"mem|cpu|gpu|disk|lag|uptime|elapsed|age|idle|wait|temperature|power|util|time|latency|heartbeat|cache|second|load|net|fan",
    re.IGNORECASE,
)
#: Kinds of lines whose figures are remembered.
_KNOWN = 256
_EVALUATION = re.compile(r"^(?:eval|val|test_score)[\w-]*/|^eval_")


def is_step(samples: Samples, role: str) -> bool:
    """Whether the figures are those of a training step that is done."""
    if samples.step is None or role not in STEPPING:
        return False
    names = samples.shape.names
    return bool(names) and (not _is_evaluation(names[0]) or not all(map(_is_evaluation, names)))


@lru_cache(maxsize=4096)
def _is_evaluation(name: str) -> bool:
    return _EVALUATION.match(name) is not None


def moves(samples: Samples, known: dict[str, int]) -> bool:
    """Whether figures that are no step's tell of progress: an engine makes tokens, a count is another than before."""
    metrics = samples.shape.metrics
    rates = [v for m, v in zip(metrics, samples.values, strict=False) if m in _TOKENS]
    if rates:
        return any(v > 0 for v in rates)
    figures = zip(samples.shape.names, samples.values, strict=False)
    telling = [f"{name}={value}" for name, value in figures if not _RESTLESS.search(name)]
    if not telling:
        return False
    key = f"{samples.file}\0{samples.shape.names[0]}"
    text = zlib.crc32(f"{samples.step} {' '.join(telling)}".encode("utf-8", "replace"))
    before = known.get(key)
    if before is None and len(known) >= _KNOWN:
        return False
    known[key] = text
    return before != text


def idle_engine(samples: Samples) -> str | None:
    """What an engine says of itself: "" where it makes tokens or has nothing to do; None where it says nothing."""
    figures = dict(zip(samples.shape.metrics, samples.values, strict=False))
    rates = [figures[m] for m in _TOKENS if m in figures]
    if not rates:
        return None
    running = figures.get(_RUNNING, 0.0)
    return f"{running:.0f} requests running, 0 tokens/s" if running > 0 and not any(v > 0 for v in rates) else ""


def when(event: Event, seen: float) -> float:
    """When it happened, as far as anybody knows."""
    if event.time_is != "logged":
        return seen
    time = (event.start if event.end is None else event.end) if isinstance(event, Interval) else event.time
    return time if time is not None and time <= seen + 3600.0 else seen


def newest(events: Sequence[Event]) -> Event | None:
    """The last event that tells something about the run, facts of its configuration apart."""
    return next((e for e in reversed(events) if not (isinstance(e, RunFact) and e.key != "life")), None)
