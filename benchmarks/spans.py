"""CPU to catch up on spans: python benchmarks/spans.py [URL]

A store of 10,000 steps: 10 states that a metric line's durations tell of and 10 with lines of their own each, sent to a
receiver in another process (or to URL, say http://127.0.0.1:4318). The bar is 8 µs of CPU a span in this process,
reading, encoding and sending together. Prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rli_agent.events import Event, Interval, Phase, Plan, Samples, Shape
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.publish.spans.exporter import SpanExporter
from rli_agent.store.run_store import RunRow, RunStore

STEPS, EACH, SECONDS = 10_000, 10, 30.0
NAMES = tuple(f"timing_s/state_{i}" for i in range(EACH)) + tuple(f"actor/metric_{i}" for i in range(40))
PARTS = ("step", *("inside",) * (EACH - 1))


def fill(store: RunStore, start: float) -> None:
    states = ("step", *(f"state_{i}" for i in range(1, EACH)))
    phases = tuple(Phase(i, states[i], NAMES[i], part) for i, part in enumerate(PARTS))  # type: ignore[arg-type]
    shape = Shape(NAMES, (None,) * len(NAMES), (None,) * len(NAMES), (), Plan("trainer", phases))
    values = [SECONDS, *(3.0,) * (EACH - 1), *(0.123456,) * 40]
    printed = json.dumps(values)
    for first in range(0, STEPS, 500):
        events: list[Event] = []
        for step in range(first, first + 500):
            at = start + step * SECONDS
            events.append(Samples("train.log", step, 0, at, "logged", step, shape, values, printed))
            for lane in range(EACH):
                place = ("env.log", step * EACH + lane, 0, "logged", f"env_{lane}", "rollout", step)
                events.append(Interval(*place, at - 20, at - 5))  # type: ignore[arg-type]
        store.commit(events, [])


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def main(url: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = RunStore.open(Path(name) / "run.sqlite", RunRow("bench", "/bench", 0.0))
        fill(store, time.time() - STEPS * SECONDS)
        stop = threading.Event()
        labels = RunLabels("project", "experiment", f"bench-{time.time():.0f}", "verl")
        cpu, wall = time.process_time(), time.monotonic()
        exporter = SpanExporter(store, url, "step", lambda: labels, SelfMetrics(), stop)
        exporter.tick(time.time())
        exporter.close(0.0)
        spent, took = time.process_time() - cpu, time.monotonic() - wall
        store.close()
    spans = STEPS * 2 * EACH
    figures = {"spans": spans, "cpu_us_a_span": round(spent / spans * 1e6, 1), "seconds": round(took, 1)}
    print(json.dumps({**figures, "run": labels.run}))


def with_receiver(measure: Callable[[str], None]) -> None:
    """Measure with the address of a receiver in another process, or with that of the command line."""
    if sys.argv[1:]:
        measure(sys.argv[1])
        return
    receiver = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    try:
        measure(f"http://127.0.0.1:{receiver.stdout.readline().strip()}")
    finally:
        receiver.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        with_receiver(main)
