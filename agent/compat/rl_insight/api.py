"""`rl_insight.api`: what `rli_agent.api` has, as RL-Insight 0.3.0 declares it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from rli_agent import api
from rli_agent.api.metrics import tell
from rli_agent.api.process import current

__all__ = [
    "finish", "init", "metric_count", "metric_distribution", "metric_gauge", "metric_histogram", "metric_value",
    "trace_op", "trace_span", "trace_state",
]  # fmt: skip

finish = api.finish


def init(
    project: str | None = None, experiment_name: str | None = None, config: Mapping[str, Any] | None = None
) -> None:
    """Begin; a second call is ignored with a RuntimeWarning. config: what it says of RL-Insight's server, and of Ray,
    is passed over."""
    if current() is not None:
        warnings.warn("rl_insight.init() was called before; this call is ignored", RuntimeWarning, stacklevel=2)
        return
    api.init(project, experiment_name, config)


def metric_count(name: str, amount: float = 1.0, documentation: str = "", **labels: Any) -> None:
    """Count."""
    tell("counter", name, amount, documentation, None, labels)


def metric_gauge(name: str, value: float, documentation: str = "", **labels: Any) -> None:
    """The newest value."""
    tell("gauge", name, value, documentation, None, labels)


def metric_histogram(name: str, value: float, documentation: str = "", **labels: Any) -> None:
    """One observation, into the buckets of RL-Insight."""
    tell("histogram", name, value, documentation, None, labels)


metric_value = metric_gauge
metric_distribution = metric_histogram


def trace_state(
    state_name: str, *, state_lane_id: str | None = None, **labels: Any
) -> AbstractContextManager[None]:  # fmt: skip
    """The lane is in the state meanwhile. RL-Insight drops a state that begins while the lane is in another; here it is
    kept."""
    return api.trace_state(state_name, state_lane_id, **labels)


def trace_span(*, name: str, start_time_ns: int, end_time_ns: int, attributes: Mapping[str, Any]) -> None:
    """Something that is over."""
    api.trace_span(name=name, start_time_ns=start_time_ns, end_time_ns=end_time_ns, attributes=attributes)


def trace_op(
    name: str | None = None, *, extra_labels: Callable[[Any], Mapping[str, Any]] | None = None, **static_labels: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Each call of a function or a coroutine function is a span."""
    return api.trace_op(name, extra_labels=extra_labels, **static_labels)
