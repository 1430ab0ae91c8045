"""Spans as OTLP says them: by the SDK's objects, or, where many wait, straight into the wire format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from struct import Struct as Packing

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as WireResource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, SpanFlags, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope as Scope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from rli_agent.events import Attributes
from rli_agent.publish.naming import RunLabels, clean
from rli_agent.publish.spans.layouts import Span

#: As RL-Insight's client calls itself: its panels ask for it.
SERVICE = "rl_insight_monitor"
SCOPE = "rli-agent"
#: Seconds whose nanoseconds fit into 63 bits: the year 2261.
_LATEST = 9.2e9
#: Lanes, states and own attributes whose attributes are kept as bytes.
_CACHED = 4096


def nanoseconds(span: Span) -> tuple[int, int]:
    """Start and end. The end is never before the start: one such span blinds Tempo's filters by duration (2.6, 3.0)."""
    if 0.0 <= span.start <= span.end <= _LATEST:
        return int(span.start * 1e9), int(span.end * 1e9)
    start = int(min(max(span.start, 0.0), _LATEST) * 1e9)
    return start, max(start, int(min(max(span.end, 0.0), _LATEST) * 1e9))


class Encoder:
    """Knows what all spans of a run carry. `labels` is asked each time: the run may tell its name late."""

    def __init__(self, labels: Callable[[], RunLabels]) -> None:
        self._labels = labels
        self._resource = Resource({"service.name": SERVICE})
        self._scope = Scope(SCOPE)
        self._known: RunLabels | None = None
        self._constant: dict[tuple[str, str, Attributes], bytes] = {}

    def _attributes(self, lane: str, state: str, own: Attributes) -> dict[str, str | int | float | bool]:
        """A program may say itself what its span is; all other names of ours stay."""
        labels = self._labels()
        said: dict[str, str | int | float | bool] = dict(own)
        return said | {
            "state_name": clean(state),
            "state_lane_id": clean(lane),
            "monitor.trace_segment": said.get("monitor.trace_segment", "state_interval"),
            "project": clean(labels.project),
            "experiment_name": clean(labels.experiment_name),
            "run": clean(labels.run),
            "framework": clean(labels.framework),
        }

    def readable(self, span: Span) -> ReadableSpan:
        """The SDK's object of a span."""
        start, end = nanoseconds(span)
        attributes = self._attributes(span.lane, span.state, span.attributes)
        if span.step is not None:
            attributes["step"] = span.step
        return ReadableSpan(
            clean(span.state),
            _context(span.trace, span.id),
            _context(span.trace, span.parent) if span.parent else None,
            self._resource,
            attributes,
            kind=SpanKind.INTERNAL,
            instrumentation_scope=self._scope,
            start_time=start,
            end_time=end,
        )

    def message(self, spans: Iterable[Span]) -> bytes:
        """The ExportTraceServiceRequest of these spans: the same message as by `readable`, many times cheaper.

        A message field is its number and kind, its length, and its bytes; what is said twice is merged, so parts of a
        span may stand beside each other.
        """
        labels = self._labels()
        if labels != self._known or len(self._constant) > _CACHED:
            self._known, self._constant = labels, {}
        scope = ScopeSpans(scope=InstrumentationScope(name=SCOPE)).SerializeToString()
        scope += b"".join([self._span(span) for span in spans])
        said = [_said("service.name", SERVICE)]
        resource = WireResource(attributes=said).SerializeToString()
        return _field(1, _field(1, resource) + _field(2, scope))

    def _span(self, span: Span) -> bytes:
        key = (span.lane, span.state, span.attributes)
        constant = self._constant.get(key)
        if constant is None:
            constant = self._constant[key] = WireSpan(
                name=clean(span.state),
                kind=WireSpan.SPAN_KIND_INTERNAL,
                attributes=[_said(name, value) for name, value in self._attributes(*key).items()],
                status=Status(),
                flags=SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK,
            ).SerializeToString()
        start, end = nanoseconds(span)
        if span.parent:
            own = _CHILD.pack(*_TRACE, span.trace, *_ID, span.id, *_PARENT, span.parent, _START, start, _END, end)
        else:
            own = _ROOT.pack(*_TRACE, span.trace, *_ID, span.id, _START, start, _END, end)
        return _field(2, own + constant + (_step(span.step) if span.step is not None else b""))


# trace_id = 1, span_id = 2, parent_span_id = 4: their lengths follow; start_time_unix_nano = 7, end_time_unix_nano = 8.
_TRACE, _ID, _PARENT, _START, _END = (1 << 3 | 2, 16), (2 << 3 | 2, 8), (4 << 3 | 2, 8), 7 << 3 | 1, 8 << 3 | 1
_CHILD = Packing("<BB16sBB8sBB8sBQBQ")
_ROOT = Packing("<BB16sBB8sBQBQ")


@lru_cache(maxsize=1024)
def _step(step: int) -> bytes:
    """The attribute of all spans of a step."""
    value = b"\x18" + _varint(step & 0xFFFFFFFFFFFFFFFF)  # int_value = 3
    return _field(9, b"\x0a\x04step\x12" + bytes((len(value),)) + value)  # attributes = 9: key = 1, value = 2


@lru_cache(maxsize=1024)
def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    """A field that holds bytes or a message."""
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _said(key: str, value: str | int | float | bool) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _context(trace: bytes, span: bytes) -> SpanContext:
    ids = int.from_bytes(trace, "big"), int.from_bytes(span, "big")
    return SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
