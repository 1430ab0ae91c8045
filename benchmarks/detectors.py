"""What a step costs the detectors: a line of 12 figures through all of them, over made-up runs.

    python benchmarks/detectors.py [--runs 20]

Processor time of one thread. Bar: at most 200 µs a step.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import msgspec

from rli_agent.detect.engine import Engine
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import Reading
from rli_agent.replaying import TRACE_KEYS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from detector_traces import LABELS, Trace, failing, healthy


def seconds(traces: list[Trace]) -> tuple[float, int]:
    """Processor time, and steps."""
    detectors = packaged()
    spent, steps = 0.0, 0
    for trace in traces:
        lines = [
            [Reading(TRACE_KEYS[k], k, "trainer", (), "train.log", step, None, v) for k, v in metrics.items()]
            for step, metrics in trace.rows
        ]
        engine = Engine(detectors)
        begin = time.process_time()
        for line in lines:
            engine.record(line)
        spent += time.process_time() - begin
        steps += len(lines)
    return spent, steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    count = parser.parse_args().runs
    kinds = {
        "healthy": [healthy(random.Random(f"cost {n}")) for n in range(count)],
        "failing": [failing(random.Random(f"cost {n}"), LABELS[n % len(LABELS)]) for n in range(count)],
    }
    for kind, traces in kinds.items():
        spent, steps = seconds(traces)
        print(f"{kind:<10} {steps} steps   {spent / steps * 1e6:6.1f} µs a step")
    engine = Engine(packaged())
    for step, metrics in kinds["healthy"][0].rows:
        engine.record([Reading(TRACE_KEYS[k], k, "trainer", (), "f", step, None, v) for k, v in metrics.items()])
    begin = time.process_time()
    for _ in range(100):
        data = msgspec.msgpack.encode(engine.state)
    print(f"state      {len(data) / 1e3:.0f} kB   {(time.process_time() - begin) * 1e4:6.1f} µs to encode")


if __name__ == "__main__":
    main()
