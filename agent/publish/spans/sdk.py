"""Spans as OpenTelemetry's SDK says and sends them. It takes 50 ms to load, which catching up does not need."""

from __future__ import annotations

from collections.abc import Iterable

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from rli_agent.publish.naming import clean
from rli_agent.publish.spans.encode import SCOPE, SERVICE, Encoder, bounded
from rli_agent.publish.spans.layouts import Span

_RESOURCE = Resource({"service.name": SERVICE})
_SCOPE = InstrumentationScope(SCOPE)


def exporter(url: str, session: requests.Session, timeout: float, compress: bool) -> OTLPSpanExporter:
    """The SDK's exporter; `timeout` in seconds."""
    compression = Compression.Gzip if compress else Compression.NoCompression
    return OTLPSpanExporter(endpoint=url, headers={}, timeout=timeout, compression=compression, session=session)


def readable(spans: Iterable[Span], encoder: Encoder) -> list[ReadableSpan]:
    """The SDK's objects of spans."""
    return [_readable(span, encoder) for span in spans]


def _readable(span: Span, encoder: Encoder) -> ReadableSpan:
    home = span.home
    start, end = bounded(span.start, span.end)
    attributes = encoder.attributes(span.lane, span.state, span.attributes)
    if home.step is not None:
        attributes["step"] = home.step
    return ReadableSpan(
        clean(span.state),
        _context(home.trace, span.id),
        _context(home.trace, home.parent) if home.parent else None,
        _RESOURCE,
        attributes,
        kind=SpanKind.INTERNAL,
        instrumentation_scope=_SCOPE,
        start_time=int(start * 1e9),
        end_time=int(end * 1e9),
    )


def _context(trace: bytes, span: bytes) -> SpanContext:
    ids = int.from_bytes(trace, "big"), int.from_bytes(span, "big")
    return SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
