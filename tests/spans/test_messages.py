"""Spans on the wire, and what a receiver's answer means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from rli_agent.publish.naming import RunLabels
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.exporter import REQUEST, requests_of
from rli_agent.publish.spans.layouts import Home, Span
from rli_agent.publish.spans.sdk import readable
from rli_agent.publish.spans.sender import judge

RUN = "r-1"
LABELS = RunLabels("maths", "grpo", RUN, "verl")
_TIMES = st.floats(allow_nan=False, allow_infinity=False)
_IDS = st.binary(min_size=8, max_size=8).filter(any)
_HOMES = st.builds(
    Home, st.binary(min_size=16, max_size=16).filter(any), st.just(b"") | _IDS,
    st.none() | st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
_SPANS = st.builds(
    Span, _HOMES, _IDS, st.text(), st.text(), _TIMES, _TIMES,
    st.dictionaries(
        st.sampled_from(["monitor.trace_segment", "state_name", "turn", "text"]),
        st.text(st.characters(codec="utf-8")) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TIMES,
    ).map(lambda own: tuple(own.items())),
)  # fmt: skip


_ALIKE = [Span(Home(b"t" * 16, b"", 1), b"s" * 8, "", "", 0.0, 0.0, (("text", v),)) for v in (1, True, 1.0, 0.0, -0.0)]


@pytest.mark.real
@given(spans=st.lists(_SPANS, min_size=1, max_size=5))
@example(spans=_ALIKE)
def test_the_direct_encoding_says_what_the_sdk_says(spans: list[Span]) -> None:
    encoder = Encoder(lambda: LABELS)
    direct = ExportTraceServiceRequest.FromString(encoder.message(spans))
    assert direct == encode_spans(readable(spans, encoder))


@given(span=_SPANS)
def test_the_end_is_never_before_the_start(span: Span) -> None:
    (scope,) = (
        ExportTraceServiceRequest.FromString(Encoder(lambda: LABELS).message([span])).resource_spans[0].scope_spans
    )
    (told,) = scope.spans
    assert 0 <= told.start_time_unix_nano <= told.end_time_unix_nano < 2**63


def test_a_span_carries_what_dashboards_ask_for() -> None:
    span = Span(Home(b"t" * 16, b"", 7), b"s" * 8, "env 1", "rollout", 1.5, 2.5)
    message = ExportTraceServiceRequest.FromString(Encoder(lambda: LABELS).message([span]))
    (resource,) = message.resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes} == {"service.name": "rl_insight_monitor"}
    (told,) = resource.scope_spans[0].spans
    said: dict[str, Any] = {a.key: a.value.string_value or a.value.int_value for a in told.attributes}
    assert said == {
        "state_name": "rollout", "state_lane_id": "env 1", "monitor.trace_segment": "state_interval",
        "project": "maths", "experiment_name": "grpo", "run": RUN, "framework": "verl", "step": 7,
    }  # fmt: skip
    assert (told.name, told.start_time_unix_nano, told.end_time_unix_nano) == ("rollout", 1_500_000_000, 2_500_000_000)


def test_labels_found_later_are_on_later_spans() -> None:
    labels = [LABELS]
    encoder = Encoder(lambda: labels[-1])
    span = Span(Home(b"t" * 16, b"", 7), b"s" * 8, "env", "rollout", 1.0, 2.0)
    assert b"other" not in encoder.message([span])
    labels.append(RunLabels("other", "grpo", RUN, "verl"))
    assert b"other" in encoder.message([span])


@given(sizes=st.lists(st.integers(1, 3 * REQUEST), max_size=6))
def test_traces_are_cut_only_where_a_request_cannot_hold_them(sizes: list[int]) -> None:
    traces = [
        [Span(Home(bytes([i]) * 16, b"", 1), b"s" * 8, "env", "rollout", 1.0, 2.0)] * n for i, n in enumerate(sizes)
    ]
    requests = list(requests_of(traces))
    assert [span for request in requests for span in request] == [span for trace in traces for span in trace]
    assert all(0 < len(request) <= REQUEST for request in requests)
    for (trace, *_), size in zip(traces, sizes, strict=True):
        assert size > REQUEST or sum(trace in request for request in requests) == 1


_PARTIAL = ExportTraceServiceResponse()
_PARTIAL.partial_success.rejected_spans = 3
_PARTIAL.partial_success.error_message = "too old"
_PROTO = {"Content-Type": "application/x-protobuf"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "ok", "rejected", "wait"),
    [
        (200, _PROTO, b"", True, 0, None),
        (200, {}, b"", True, 0, None),
        (200, _PROTO, _PARTIAL.SerializeToString(), True, 3, None),
        (200, {"Content-Type": "application/json; charset=utf-8"}, b'{"partialSuccess":{}}', True, 0, None),
        (200, {"Content-Type": "application/json"}, b'{"partialSuccess":{"rejectedSpans":"3"}}', True, 3, None),
        (200, {"Content-Type": "text/html"}, b"<html>please log in</html>", False, 0, None),
        (200, _PROTO, b"\xff\xff\xff garbage", False, 0, None),
        (200, {"Content-Type": "application/json"}, b"[1", False, 0, None),
        (200, {"Content-Type": "application/json"}, b"[1]", False, 0, None),
        (429, {"Retry-After": "7"}, b"", False, 0, 7.0),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, b"", False, 0, 0.0),
        (429, {"Retry-After": "999999"}, b"", False, 0, 3600.0),
        (429, {"Retry-After": "soon"}, b"", False, 0, None),
        (429, {"Retry-After": "nan"}, b"", False, 0, None),
        (500, {}, b"oops", False, 0, None),
        (302, {"Location": "http://elsewhere/"}, b"", False, 0, None),
        (404, {}, b"", False, 0, None),
        (400, {}, b"", False, 0, None),
    ],
)
def test_an_answer(
    status: int, headers: dict[str, str], body: bytes, ok: bool, rejected: int, wait: float | None
) -> None:
    verdict = judge(status, headers, body)
    assert (verdict.ok, verdict.rejected, verdict.wait) == (ok, rejected, wait)
    assert ok or verdict.reason
