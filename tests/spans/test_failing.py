"""Receivers of spans that are away, answer nonsense, or come back."""

from __future__ import annotations

import pytest
from agent_process import until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from span_receiver import LABELS, Receiver, send_all, start, steps

from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.publish.spans import exporter as exporting
from rli_agent.publish.spans import rows
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.layouts import Home, Span
from rli_agent.publish.spans.sender import Sender
from rli_agent.store.run_store import RunStore

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


@pytest.mark.real
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
    span = Span(Home(b"t" * 16, b"", 1), b"s" * 8, "env", "rollout", 1.0, 2.0)
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
        receiver.answers = [*[(200, {}, b"")] * answered, *[(500, {}, b"")] * 1000]
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
