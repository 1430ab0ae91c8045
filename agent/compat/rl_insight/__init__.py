"""RL-Insight's public names (0.3.0), said to rli-agent. See rli_agent.compat."""

from __future__ import annotations

from .agent_loop import agent_loop_session
from .api import (
    finish,
    init,
    metric_count,
    metric_distribution,
    metric_gauge,
    metric_histogram,
    metric_value,
    trace_op,
    trace_span,
    trace_state,
)
from .utils import update_prometheus_config

#: Of RL-Insight, whose names these are.
__version__ = "0.3.0"

__all__ = [
    "__version__", "agent_loop_session", "finish", "init", "metric_count", "metric_distribution", "metric_gauge",
    "metric_histogram", "metric_value", "trace_op", "trace_span", "trace_state", "update_prometheus_config",
]  # fmt: skip
