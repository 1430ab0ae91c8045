"""Spans on their way: receivers that are away, answer nonsense or come back, and an agent that is killed."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from rli_agent.events import Event, Interval, Phase, Plan, Samples, Shape
from rli_agent.publish import from_store
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.publish.spans import exporter as exporting
from rli_agent.publish.spans import rows
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.exporter import SpanExporter
from rli_agent.publish.spans.layouts import LayoutName, Span
from rli_agent.publish.spans.sender import Sender
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

PATIENCE = 30.0
LABELS = RunLabels("maths", "grpo", "r-1", "verl")


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.01)


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

        class Handler(BaseHTTPRequestHandler):
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
                    message = ExportTraceServiceRequest.FromString(gzip.decompress(body))
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

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_store, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(from_store, "LOOK", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore.open(tmp_path / "run.sqlite", RunRow("r-1", "/runs/r", 0.0))
    yield store
    store.close()


NAMES = ("timing_s/step", "timing_s/gen", "timing_s/update_actor", "actor/loss")
PHASES = (
    Phase(0, "step", NAMES[0], "step"), Phase(1, "rollout", NAMES[1], "inside"),
    Phase(2, "update_actor", NAMES[2], "inside"),
)  # fmt: skip
SHAPE = Shape(NAMES, (None,) * 4, (None,) * 4, (), Plan("trainer", PHASES))


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


def test_all_states_arrive_once_and_not_again(store: RunStore, receiver: Receiver) -> None:
    store.commit(steps(1, 5), [])
    send_all(store, receiver.url)
    assert len(receiver.ids) == len(set(receiver.ids)) == 20
    assert sum(not span.parent_span_id for span in receiver.spans) == 5
    by_step = {span.trace_id: span.name for span in receiver.spans if not span.parent_span_id}
    assert set(by_step.values()) == {"step"}
    assert len(by_step) == 5
    send_all(store, receiver.url)
    assert len(receiver.ids) == 20
    store.commit(steps(6, 1), [])
    send_all(store, receiver.url)
    assert len(receiver.ids) == len(set(receiver.ids)) == 24


def test_a_step_is_one_request_with_its_root_in_it(store: RunStore, receiver: Receiver) -> None:
    exporter, stop = start(store, receiver.url)
    exporter.tick(0.0)
    for step in range(1, 4):
        store.commit(steps(step, 1), [])
        until(lambda step=step: len(receiver.requests) >= step - 1, "the step before")  # type: ignore[misc]
    stop.set()
    exporter.close(5.0)
    assert len(receiver.ids) == 12
    assert [span.name for span in receiver.spans[::4]] == ["step"] * 3


def test_nothing_is_sent_before_the_times_of_old_files_are_settled(store: RunStore, receiver: Receiver) -> None:
    store.commit([*steps(1, 2, "unknown"), *steps(3, 1)], [])
    exporter, stop = start(store, receiver.url)
    stop.set()
    exporter.close(5.0)
    assert receiver.requests == []
    store.place("train.log", [(1, 1.7e9 + 100), (2, 1.7e9 + 200)])
    send_all(store, receiver.url)
    assert len(set(receiver.ids)) == 12


def test_many_and_few_are_the_same_spans(store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit(steps(1, 30), [])
    send_all(store, receiver.url)
    few, receiver.spans = sorted(receiver.spans, key=str), []
    assert "OTel" in receiver.requests[-1][1]["user-agent"]
    monkeypatch.setattr(exporting, "MANY", 1)
    store.knowledge.set(f"spans step {receiver.url}/v1/traces", b"{}")
    send_all(store, receiver.url)
    assert receiver.requests[-1][1]["user-agent"] == "rli-agent"
    assert sorted(receiver.spans, key=str) == few


def test_flat_spans_are_roots(store: RunStore, receiver: Receiver) -> None:
    store.commit(steps(1, 5), [])
    send_all(store, receiver.url, "flat")
    assert len({span.trace_id for span in receiver.spans}) == len(receiver.spans) == 20
    assert not any(span.parent_span_id for span in receiver.spans)


def test_towards_an_rl_insight_server_spans_are_flat(
    store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rli_agent.publish.spans.endpoint.span_port", lambda *_: receiver.port)
    store.commit(steps(1, 2), [])
    send_all(store, receiver.url, None)
    assert len({span.trace_id for span in receiver.spans}) == 8


GARBAGE = (200, {"Content-Type": "text/html"}, b"<html>log in</html>")
FAILURES: dict[str, tuple[int, dict[str, str], bytes] | None] = {
    "429": (429, {}, b""), "429, later": (429, {"Retry-After": "0"}, b""), "500": (500, {}, b"oops"),
    "503": (503, {}, b""), "garbage": GARBAGE, "404": (404, {}, b""), "redirect": (302, {"Location": "/"}, b""),
    "nothing": None,
}  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_receiver_that_fails_gets_all_later(
    store: RunStore, receiver: Receiver, failure: tuple[int, dict[str, str], bytes] | None, many: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(exporting, "MANY", 0 if many else 10**9)
    receiver.answers = [failure, failure]
    store.commit(steps(1, 5), [])
    own = SelfMetrics()
    exporter, stop = start(store, receiver.url, own=own)
    exporter.tick(0.0)
    until(lambda: len(receiver.spans) >= 16, "the spans of the steps that are over")
    stop.set()
    exporter.close(5.0)
    assert len(receiver.ids) == len(set(receiver.ids)) == 20
    assert 'rli_agent_exporter_queue_depth{exporter="otlp"} 0.0\n' in "".join(t.lines for t in own.render("", True))


def test_a_receiver_is_given_the_time_it_asks_for(
    store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MANY", 0)
    receiver.answers = [(429, {"Retry-After": "1"}, b"")]
    store.commit(steps(1, 5), [])
    exporter, stop = start(store, receiver.url)
    exporter.tick(0.0)
    until(lambda: receiver.spans, "spans")
    stop.set()
    exporter.close(5.0)
    assert receiver.requests[1][0] - receiver.requests[0][0] >= 1.0


def test_a_receiver_that_never_answers(receiver: Receiver) -> None:
    receiver.slow = 1.0
    sender = Sender(receiver.url + "/v1/traces", Encoder(lambda: LABELS), timeout=0.1)
    span = Span(b"t" * 16, b"s" * 8, b"", "env", "rollout", 1, 1.0, 2.0)
    for send in (sender.send, sender.send_many):
        verdict = send([span])
        assert (verdict.ok, verdict.reason) == (False, "no answer")


def test_what_is_refused_for_good_is_counted_and_not_sent_again(store: RunStore, receiver: Receiver) -> None:
    said = ExportTraceServiceResponse()
    said.partial_success.rejected_spans = 3
    receiver.answers = [(200, {"Content-Type": "application/x-protobuf"}, said.SerializeToString())]
    store.commit(steps(1, 5), [])
    own = SelfMetrics()
    exporter, _ = start(store, receiver.url, own=own)
    exporter.tick(0.0)
    exporter.close(5.0)
    assert len(receiver.ids) == 20
    assert 'rli_agent_exporter_failures_total{exporter="otlp"} 3.0\n' in "".join(t.lines for t in own.render("", True))


def test_a_receiver_that_is_away_until_after_the_run(store: RunStore) -> None:
    gone = Receiver()
    gone.stop()
    store.commit(steps(1, 5), [])
    exporter, stop = start(store, gone.url)
    exporter.tick(0.0)
    stop.set()
    exporter.close(2.0)
    back = Receiver(gone.port)
    try:
        store.commit(steps(6, 2), [])
        send_all(store, back.url)
        assert len(back.ids) == len(set(back.ids)) == 28
    finally:
        back.stop()


def test_what_is_kept_as_sent_has_arrived(store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "AT_ONCE", 4)
    store.commit(steps(1, 60), [])
    for answered in range(6):
        receiver.answers = [(200, {}, b"")] * answered + [(500, {}, b"")] * 1000
        failing = len(receiver.requests) + answered + 2
        exporter, stop = start(store, receiver.url)
        until(lambda e=exporter, n=failing: e.tick(0.0) or len(receiver.requests) >= n, "failures")  # type: ignore[misc]
        stop.set()
        exporter.close(0.0)
    receiver.answers.clear()
    send_all(store, receiver.url)
    assert len(set(receiver.ids)) == 240
    assert len({span.SerializeToString() for span in receiver.spans}) == 240
    assert len(receiver.spans) < 360  # it went on where it was, give or take a step


def test_a_receiver_that_is_restarted(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MANY", 0)
    first = Receiver()
    exporter, stop = start(store, first.url)
    exporter.tick(0.0)
    store.commit(steps(1, 3), [])
    until(lambda: len(first.spans) >= 8, "the first steps")
    first.stop()
    own = [span.SerializeToString() for span in first.spans]
    store.commit(steps(4, 3), [])
    second = Receiver(first.port)
    try:
        until(lambda: len(second.spans) >= 12, "the other steps")
        stop.set()
        exporter.close(5.0)
        assert len({*first.ids, *second.ids}) == 24
        assert len(own) + len(second.spans) == 24
    finally:
        second.stop()


def test_the_environment_of_the_trainers_own_telemetry_changes_nothing(
    store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "ENDPOINT": "http://127.0.0.1:1", "TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces",
        "HEADERS": "authorization=secret", "TRACES_HEADERS": "x-secret=1", "TIMEOUT": "0.001",
        "COMPRESSION": "deflate", "CERTIFICATE": "/nowhere", "PROTOCOL": "grpc",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=trainer")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    store.commit(steps(1, 5), [])
    send_all(store, receiver.url)
    monkeypatch.setattr(exporting, "MANY", 0)
    store.commit(steps(6, 5), [])
    send_all(store, receiver.url)
    assert len(set(receiver.ids)) == 40
    for _, headers in receiver.requests:
        assert headers["path"] == "/v1/traces"
        assert headers["content-encoding"] == "gzip"
        assert not {"authorization", "x-secret"} & headers.keys()


def test_times_that_are_estimated_anew_make_no_other_spans(tmp_path: Path, receiver: Receiver) -> None:
    for late in (0.0, 7.25):
        store = RunStore.open(tmp_path / str(late) / "run.sqlite", RunRow("r-1", "/runs/r", 0.0))
        store.commit([e for e in steps(1, 3, "unknown") if isinstance(e, Samples)], [])
        store.place("train.log", [(step, 1.7e9 + 100 * step + late) for step in range(1, 4)])
        with closing(store):
            send_all(store, receiver.url)
    assert (len(receiver.ids), len(set(receiver.ids))) == (18, 9)


def test_a_lost_store_makes_no_other_spans(tmp_path: Path, receiver: Receiver) -> None:
    for name in ("first", "second"):
        store = RunStore.open(tmp_path / name / "run.sqlite", RunRow("r-1", "/runs/r", 0.0))
        store.commit(steps(1, 5) if name == "first" else list(reversed(steps(1, 5))), [])
        with closing(store):
            send_all(store, receiver.url)
    assert len(receiver.ids) == 40
    assert len(set(receiver.ids)) == 20


# -- the agent as a process


def watch(run: Path, state: Path, url: str, *more: str, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rli_agent", "watch", str(run), "--listen", "none", "--state-dir", str(state), *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC", "RLI_AGENT_OTLP_ENDPOINT": url},
    )  # fmt: skip
    if wait:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said.decode()
    return process


def clock(step: int, second: int) -> str:
    at = datetime.fromtimestamp(1_700_000_000 + 60 * step + second, timezone.utc)
    return f"\x1b[2m{at:%H:%M:%S}\x1b[0m"


def prime_rl(run: Path, steps: int) -> None:
    said: dict[str, list[str]] = {"trainer": [], "orchestrator": []}
    said["trainer"].append(f"{clock(0, 0)}    INFO Starting training loop (max_steps={steps})\n")
    said["orchestrator"].append(f"{clock(0, 0)}    INFO Starting orchestrator loop (max_steps={steps})\n")
    for step in range(1, steps + 1):
        said["orchestrator"].append(
            f"{clock(step, 20)} SUCCESS Step {step} | 30.1s | Reward 0.5 | Trainable 12/16 (75.0%) | Turns 1.0 | "
            "Branches 1.0 | Max Off-Policy 1 | Error 0.8% | Truncation 1.0%\n"
        )
        said["trainer"].append(
            f"{clock(step, 50)} \x1b[32mSUCCESS\x1b[0m \x1b[1mStep {step} | 50.5s | Loss 0.001 | Entropy 0.41 | "
            "Mismatch KL 0.0005 | Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | "
            "Peak Mem. 41.3 GiB\x1b[0m\n"
        )
    for name, lines in said.items():
        path = run / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
        os.utime(path, (1_700_000_000 + 60 * steps + 55,) * 2)


@pytest.mark.real
def test_killed_while_it_sends_all_spans_arrive_and_none_twice_under_another_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    run = tmp_path / "run"
    prime_rl(run, 2000)
    watch(run, tmp_path / "calm", receiver.url, "--once")
    calm, receiver.spans = receiver.spans, []
    assert len({span.span_id for span in calm}) == len(calm) == 4000

    receiver.slow = 0.15
    for more in (1, 2, 1, 2):
        before = len(receiver.requests)
        process = watch(run, tmp_path / "killed", receiver.url, wait=False)
        until(lambda wanted=before + more: len(receiver.requests) >= wanted, "requests")  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    receiver.slow = 0.0
    watch(run, tmp_path / "killed", receiver.url, "--once")
    assert {span.SerializeToString() for span in receiver.spans} == {span.SerializeToString() for span in calm}
    (path,) = tmp_path.glob("killed/runs/*/run.sqlite")
    with closing(read_only(path)) as db:
        assert db.execute("SELECT count(*) FROM knowledge WHERE name LIKE 'spans %'").fetchone() == (1,)
    arrived = len(receiver.spans)
    watch(run, tmp_path / "killed", receiver.url, "--once")
    assert len(receiver.spans) == arrived


def test_a_url_that_is_none_is_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    prime_rl(run, 1)
    process = watch(run, tmp_path / "state", "tempo:4318", "--once", wait=False)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert b"give a URL like http://127.0.0.1:4318" in said
    assert b"Traceback" not in said
