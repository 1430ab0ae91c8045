"""The message of remote write 1.0: a snappy-compressed protobuf `prometheus.WriteRequest`.

Its schema (prometheus/prompb 2.x, types.proto and remote.proto) is small, and nobody ships it as a Python package: it
is declared here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from rli_agent.events import Labels

#: What goes with each message.
HEADERS = {
    "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0", "User-Agent": "rli-agent",
}  # fmt: skip
#: The value by which Prometheus knows that a series has ended (its model/value, StaleNaN).
STALE = 0x7FF0000000000002


class Sample(NamedTuple):
    """`at` in milliseconds; `series` is what `series_of` gives."""

    at: int
    series: bytes
    value: float


@cache
def classes() -> tuple[Any, Any]:
    """WriteRequest and TimeSeries."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote_write.proto", package="prometheus", syntax="proto3")
    schema: dict[str, dict[str, int | str]] = {
        "Label": {"name": field.TYPE_STRING, "value": field.TYPE_STRING},
        "Sample": {"value": field.TYPE_DOUBLE, "timestamp": field.TYPE_INT64},
        "TimeSeries": {"labels": "Label", "samples": "Sample"},
        "WriteRequest": {"timeseries": "TimeSeries"},
    }
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            if isinstance(kind, int):
                message.field.add(name=key, number=number, label=field.LABEL_OPTIONAL, type=kind)
            else:
                message.field.add(
                    name=key, number=number, label=field.LABEL_REPEATED, type=field.TYPE_MESSAGE,
                    type_name=f".prometheus.{kind}",
                )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = [pool.FindMessageTypeByName(f"prometheus.{name}") for name in ("WriteRequest", "TimeSeries")]
    return message_factory.GetMessageClass(made[0]), message_factory.GetMessageClass(made[1])


def series_of(name: str, labels: Labels) -> bytes:
    """A series as it stands in a message: its labels, sorted, those without a value left out."""
    series = classes()[1]()
    for key, value in sorted([("__name__", name), *labels]):
        if value:
            series.labels.add(name=key, value=value)
    return bytes(series.SerializeToString())


def labels_of(series: bytes) -> dict[str, str]:
    """The labels that `series_of` was given, and `__name__`."""
    return {label.name: label.value for label in classes()[1].FromString(series).labels}


def encode(samples: Iterable[Sample]) -> bytes:
    """The body of a request. `samples` in the order of their times."""
    request = classes()[0]()
    adding: dict[bytes, Any] = {}
    for at, series, value in samples:
        add = adding.get(series)
        if add is None:
            new = request.timeseries.add()
            new.MergeFromString(series)
            add = adding[series] = new.samples.add
        add(value=value, timestamp=at)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
