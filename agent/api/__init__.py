"""For trainers that want to say something themselves: metrics and states, a line of a file each.

    import rli_agent.api as insight

    insight.init(project="math", experiment_name="run-7", config={"output_dir": "outputs/run-7"})
    insight.metric_value("reward", 0.41, step=3)
    with insight.trace_state("rollout", "replica_0", step=3):
        ...
    insight.finish()

Names and signatures are those of RL-Insight (0.3.0; `metric_value` and `metric_distribution` are what it called them
before). Nothing but the standard library is imported, nothing is sent anywhere, and no call raises or waits: what
cannot be written is counted and left out. docs/python-api.md has the whole of it, and the form of the file.
"""

from __future__ import annotations

from rli_agent.api.metrics import (
    metric_count,
    metric_distribution,
    metric_gauge,
    metric_histogram,
    metric_value,
)
from rli_agent.api.process import finish, init
from rli_agent.api.states import trace_op, trace_span, trace_state

__all__ = [
    "finish", "init", "metric_count", "metric_distribution", "metric_gauge", "metric_histogram", "metric_value",
    "trace_op", "trace_span", "trace_state",
]  # fmt: skip
