"""CPU to catch up by remote write: python benchmarks/remote_write.py [URL]

The store of benchmarks/spans.py: 10,000 steps, each a line of 50 figures and 10 durations, and 10 states with lines of
their own, sent to a receiver in another process (or to URL, say http://127.0.0.1:9090/api/v1/write). The bar is 3 µs of
CPU a sample in this process: reading, naming, encoding, compressing and sending together. Prints one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path

import spans

from rli_agent.catalogue import Catalogue
from rli_agent.publish.naming import Naming, RunLabels
from rli_agent.publish.remote_write.exporter import RemoteWrite
from rli_agent.publish.remote_write.target import Target
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.store.run_store import RunRow, RunStore


def main(url: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = RunStore.open(Path(name) / "run.sqlite", RunRow("bench", "/bench", 0.0))
        spans.fill(store, time.time() - spans.STEPS * spans.SECONDS)
        own = SelfMetrics()
        labels = RunLabels("project", "experiment", f"bench-{time.time():.0f}", "verl")
        target = Target(url, {"job": "rli-agent", "instance": "bench"}, "bench")
        cpu, wall = time.process_time(), time.monotonic()
        exporter = RemoteWrite(
            store, lambda: target, "bench", Naming(Catalogue.load()), lambda: labels, frozenset, own, threading.Event()
        )
        exporter.tick(time.time())
        exporter.close(0.0)
        spent, took = time.process_time() - cpu, time.monotonic() - wall
        store.close()
    sent = own.registry.get_sample_value("rli_agent_remote_write_samples_total", {"outcome": "sent"}) or 0.0
    figures = {"samples": int(sent), "cpu_us_a_sample": round(spent / sent * 1e6, 2), "seconds": round(took, 1)}
    print(json.dumps({**figures, "run": labels.run}))


if __name__ == "__main__":
    spans.with_receiver(main)
