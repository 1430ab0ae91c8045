"""Spans straight into OTLP's wire format, where many wait: the same as by the SDK (sdk.py), many times cheaper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from struct import Struct as Packing

from rli_agent.events import Attributes
from rli_agent.publish.naming import RunLabels, clean
from rli_agent.publish.spans.layouts import Home, Span

#: As RL-Insight's client calls itself: its panels ask for it.
SERVICE = "rl_insight_monitor"
SCOPE = "rli-agent"
#: Seconds whose nanoseconds fit into 63 bits: the year 2261.
_LATEST = 9.2e9
#: Lanes, states and own attributes whose attributes are kept as bytes.
_CACHED = 4096


def bounded(start: float, end: float) -> tuple[float, float]:
    """Times that a span can say. The end is never before the start: one such span blinds Tempo's filters by duration
    (2.6, 3.0)."""
    start = min(max(start, 0.0), _LATEST)
    return start, min(max(start, end), _LATEST)


class Encoder:
    """Knows what all spans of a run carry. `labels` is asked each time: the run may tell its name late."""

    def __init__(self, labels: Callable[[], RunLabels]) -> None:
        self._labels = labels
        self._known: RunLabels | None = None
        self._heads: dict[tuple[str, str, str, int], bytes] = {}

    def attributes(self, lane: str, state: str, own: Attributes) -> dict[str, str | int | float | bool]:
        """All but the step. A program may say itself what its span is; all other names of ours stay."""
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

    def message(self, spans: Iterable[Span]) -> bytes:
        """The ExportTraceServiceRequest of these spans (opentelemetry-proto 1.5).

        A field that holds bytes or a message is its number and kind, its length, and those; fields stand in any order.
        """
        labels = self._labels()
        if labels != self._known or len(self._heads) > _CACHED:
            self._known, self._heads = labels, {}
        heads, home, shared = self._heads, None, b""
        parts = [_field(1, _field(1, SCOPE.encode()))]  # scope = 1: name = 1
        for span in spans:
            if span.home is not home:
                home = span.home
                shared = _shared(home)
            own = repr(span.attributes) if span.attributes else ""  # 1, 1.0 and True are equal, and not the same
            key = (span.lane, span.state, own, len(shared))
            head = heads.get(key)
            if head is None:
                head = heads[key] = self._head(span, len(shared))
            start, end = span.start, span.end
            if not 0.0 <= start <= end <= _LATEST:
                start, end = bounded(start, end)
            parts += (head, _OWN(b"\x12\x08", span.id, 0x39, int(start * 1e9), 0x41, int(end * 1e9)), shared)
        scope = b"".join(parts)
        said = _field(1, _attribute(1, "service.name", SERVICE))  # resource = 1
        said += _length(2, len(scope))  # scope_spans = 2
        return b"".join((_length(1, len(said) + len(scope)), said, scope))  # resource_spans = 1

    def _head(self, span: Span, shared: int) -> bytes:
        """The beginning of a span, with what is said of all spans of a state alike; `shared` bytes end it."""
        said = _field(5, clean(span.state).encode()) + b"\x30\x01"  # name = 5, kind = 6: internal
        attributes = self.attributes(span.lane, span.state, span.attributes)
        said += b"".join([_attribute(9, name, value) for name, value in attributes.items()])
        said += b"\x7a\x00\x85\x01\x00\x01\x00\x00"  # status = 15, flags = 16: whether the parent is remote is known
        return _length(2, len(said) + _OWN_SIZE + shared) + said  # spans = 2


# span_id = 2 with its length, start_time_unix_nano = 7, end_time_unix_nano = 8.
_OWN, _OWN_SIZE = Packing("<2s8sBQBQ").pack, 28


def _shared(home: Home) -> bytes:
    """The end of all spans of a home: trace_id = 1, parent_span_id = 4, the attribute `step`."""
    parent = b"\x22\x08" + home.parent if home.parent else b""
    return b"\x0a\x10" + home.trace + parent + _step(home.step)


@lru_cache(maxsize=1024)
def _step(step: int | None) -> bytes:
    return _attribute(9, "step", step) if step is not None else b""


def _attribute(number: int, key: str, value: str | int | float | bool) -> bytes:
    """A KeyValue in the field `number`: key = 1, value = 2."""
    if isinstance(value, bool):
        said = b"\x10" + _varint(value)  # bool_value = 2
    elif isinstance(value, int):
        said = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)  # int_value = 3
    elif isinstance(value, float):
        said = b"\x21" + _DOUBLE(value)  # double_value = 4
    else:
        said = _field(1, value.encode())  # string_value = 1
    return _field(number, _field(1, key.encode()) + _field(2, said))


_DOUBLE = Packing("<d").pack


def _field(number: int, content: bytes) -> bytes:
    """A field that holds bytes or a message."""
    return _length(number, len(content)) + content


@lru_cache(maxsize=1024)
def _length(number: int, length: int) -> bytes:
    """What stands before the bytes of such a field."""
    return bytes((number << 3 | 2,)) + _varint(length)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
