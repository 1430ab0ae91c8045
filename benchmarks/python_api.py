"""What a call of `rli_agent.api` costs the trainer, beside the same call of RL-Insight 0.3.0 where there is one.

    python benchmarks/python_api.py [PYTHON]

PYTHON: an interpreter in whose environment `rl-insight==0.3.0` is installed (`python -m venv V && V/bin/pip install
rl-insight==0.3.0`); RL-Insight needs Ray, which is started on this machine. The same lines run under both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CALLS = """
import json, sys, time

def measured(call, calls, rounds=50):
    for _ in range(50): call()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls): call()
        found.append((time.perf_counter() - start) / calls * 1e6)
    return min(found)

def measure(insight, calls):
    def state():
        with insight.trace_state("rollout", state_lane_id="replica_0"): pass
    operation = insight.trace_op("operation")(lambda: None)
    span = dict(name="x", start_time_ns=time.time_ns(), end_time_ns=time.time_ns(), attributes={"kind": "a"})
    each = {
        "metric_count": lambda: insight.metric_count("served"),
        "metric_gauge": lambda: insight.metric_gauge("reward", 0.5),
        "metric_gauge, 3 labels": lambda: insight.metric_gauge("reward", 0.5, rank=1, env="math", kind="a"),
        "metric_histogram": lambda: insight.metric_histogram("wait_s", 0.5),
        "trace_state, begin and end": state,
        "trace_op": operation,
        "trace_span": lambda: insight.trace_span(**span),
    }
    print(json.dumps({name: measured(call, calls) for name, call in each.items()}))
"""
OURS = """
import rli_agent.api as insight
insight.init("project", "experiment", {"output_dir": sys.argv[1]})
measure(insight, 400)
"""
THEIRS = """
import logging, ray, rl_insight
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
rl_insight.init("project", "experiment", {"server": {"url": "http://127.0.0.1:1"}})
time.sleep(8)  # the actor starts
measure(rl_insight, 40)
"""


def figures(interpreter: str, program: str, folder: Path) -> dict[str, float]:
    """Microseconds a call: the fastest of fifty short rounds, as others may be at work here."""
    environment = {k: v for k, v in os.environ.items() if k != "RLI_AGENT_EVENTS"}
    done = subprocess.run(
        [interpreter, "-c", CALLS + program, str(folder)], capture_output=True, text=True, timeout=300, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{interpreter}: {done.stderr[-2000:]}")
    told: dict[str, float] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return told


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = figures(sys.executable, OURS, Path(folder))
        theirs = figures(sys.argv[1], THEIRS, Path(folder)) if len(sys.argv) > 1 else {}
    print(f"{'µs a call':<28} {'rli_agent.api':>14} {'RL-Insight 0.3.0':>17}")
    for name, value in ours.items():
        their = f"{theirs[name]:.0f}" if theirs else "(not given)"
        print(f"{name:<28} {value:>14.1f} {their:>17}")


if __name__ == "__main__":
    main()
