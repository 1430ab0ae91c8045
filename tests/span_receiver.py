"""A receiver of spans, steps to be sent to it, and how a watch sends them."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from http.server import ThreadingHTTPServer

from loopback import QuietHandler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from rli_agent.events import Event, Interval, Phase, Plan, Samples, Shape
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.publish.spans.exporter import SpanExporter
from rli_agent.publish.spans.layouts import LayoutName
from rli_agent.store.run_store import RunStore

LABELS = RunLabels("maths", "grpo", "r-1", "verl")
NAMES = ("timing_s/step", "timing_s/gen", "timing_s/update_actor", "actor/loss")
PHASES = (
    Phase(0, "step", NAMES[0], "step"), Phase(1, "rollout", NAMES[1], "inside"),
    Phase(2, "update_actor", NAMES[2], "inside"),
)  # fmt: skip
SHAPE = Shape(NAMES, (None,) * 4, (None,) * 4, (), Plan("trainer", PHASES))


class Receiver:
    """Takes spans by OTLP/HTTP. `answers`: what to say to the next requests instead of taking them: (status, headers,
    body), or None to hang up without a word."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[WireSpan] = []
        self.requests: list[tuple[float, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str], bytes] | None] = []
        self.slow = 0.0
        self.stopped = False
        receiver = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(
                    (time.monotonic(), {**{k.lower(): v for k, v in self.headers.items()}, "path": self.path})
                )
                answer = receiver.answers.pop(0) if receiver.answers else (200, {}, b"")
                if answer is None or receiver.stopped:
                    self.close_connection = True
                    return
                status, headers, said = answer
                if status == 200 and headers.get("Content-Type") != "text/html":
                    message = ExportTraceServiceRequest.FromString(
                        gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                    )
                    for resource in message.resource_spans:
                        for scope in resource.scope_spans:
                            receiver.spans += scope.spans
                if receiver.slow:
                    time.sleep(receiver.slow)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.stopped = True  # connections that are open get no answer any more
        self.http.shutdown()
        self.http.server_close()

    @property
    def ids(self) -> list[tuple[bytes, bytes]]:
        return [(span.trace_id, span.span_id) for span in self.spans]


def steps(first: int, count: int, time_is: str = "logged") -> list[Event]:
    """Four states a step: three by durations that a line prints, one with a line of its own."""
    events: list[Event] = []
    for step in range(first, first + count):
        at = 1.7e9 + 100.0 * step
        known = at if time_is == "logged" else None
        values = [90.0, 60.0, 30.0, 0.5]
        events.append(Samples("train.log", step, 0, known, "logged", step, SHAPE, values, "[90.0, 60.0, 30.0, 0.5]"))
        events.append(Interval("env.log", step, 0, "logged", "env 1", "rollout", step, at - 80, at - 30))
    return events


def start(
    store: RunStore, url: str, layout: LayoutName | None = "step", own: SelfMetrics | None = None
) -> tuple[SpanExporter, threading.Event]:
    stop = threading.Event()
    return SpanExporter(store, url, layout, lambda: LABELS, own or SelfMetrics(), stop), stop


def send_all(store: RunStore, url: str, layout: LayoutName | None = "step") -> None:
    """As `watch --once` does."""
    exporter, _ = start(store, url, layout)
    exporter.tick(0.0)
    exporter.close(5.0)
