"""Counters, gauges and histograms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from operator import index
from typing import Any

from rli_agent.api.complaints import left_out
from rli_agent.api.process import current
from rli_agent.api.text import PLAIN, figure, labels, quoted


def metric_count(name: str, amount: float = 1.0, documentation: str = "", **labels: Any) -> None:
    """Add to the counter `name`, over all processes of the run; a counter cannot be made smaller."""
    tell("counter", name, amount, documentation, None, labels)


def metric_value(name: str, value: float, documentation: str = "", **labels: Any) -> None:
    """Say what `name` is now. A label `step` that is a whole number is the step of the value, and no label."""
    tell("gauge", name, value, documentation, None, labels)


def metric_distribution(
    name: str, value: float, documentation: str = "", *, buckets: Sequence[float] | None = None, **labels: Any
) -> None:
    """Take one observation into the histogram `name`. buckets: its upper bounds, the first that are told holding for
    good; otherwise RL-Insight's, 0.005 to 10."""
    tell("histogram", name, value, documentation, buckets, labels)


metric_gauge = metric_value
metric_histogram = metric_distribution


def tell(
    kind: str, name: str, value: float, documentation: str, buckets: Sequence[float] | None, about: dict[str, Any]
) -> None:
    """Any of them; nothing before `init`."""
    process = current()
    if process is None:
        return
    try:
        number = float(value)
        now = time.time()
        step = ""
        if "step" in about:
            try:
                step = f'"step":{index(about["step"])},'
                del about["step"]
                process.steps = True
            except TypeError:  # no whole number: a label as others are
                pass
        try:
            head = _head(kind, name, documentation, buckets, **about)
        except TypeError:  # something that cannot be remembered
            head = _made(kind, name, documentation, buckets, about)
        if kind == "counter" and not 0.0 <= number < 1e150:
            raise ValueError(f"a counter cannot count {number}")
        shown = repr(number) if number - number == 0 else figure(number)
        process.file.write(f'{head}{step}"value":{shown},"time":{now:.6f}}}\n'.encode(), now)
    except Exception as error:
        left_out(name, error)


@lru_cache(maxsize=4096, typed=True)
def _head(kind: str, name: str, documentation: str, buckets: Sequence[float] | None, /, **about: Any) -> str:
    """The beginning of a line. Raises TypeError where an argument should not be kept: what is raised is not cached."""
    if any(type(value) not in PLAIN for value in about.values()):
        raise TypeError
    return _made(kind, name, documentation, buckets, about)


def _made(kind: str, name: str, documentation: str, buckets: Sequence[float] | None, about: dict[str, Any]) -> str:
    help = f',"help":{quoted(str(documentation))}' if documentation else ""
    bounds = "" if buckets is None else f',"buckets":[{",".join(figure(float(b)) for b in buckets)}]'
    return f'{{"type":"{kind}","name":{quoted(str(name))}{help}{bounds}{labels(about)},'
