"""A receiver of remote write: what requests held, and a run's logs for it."""

from __future__ import annotations

import cramjam
from receivers import HttpReceiver, Request

from rli_agent.publish.remote_write.message import classes, labels_of

#: labels → milliseconds → value
Series = dict[tuple[tuple[str, str], ...], dict[int, float]]


def decoded(body: bytes) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    """The series of a request: labels, and (milliseconds, value)."""
    request = classes()[0].FromString(bytes(cramjam.snappy.decompress_raw(body)))
    return [
        (labels_of(series.SerializeToString()), [(sample.timestamp, sample.value) for sample in series.samples])
        for series in request.timeseries
    ]


def samples_in(request: Request) -> int:
    return sum(len(samples) for _, samples in decoded(request.body))


def all_taken(receiver: HttpReceiver) -> Series:
    """All that the receiver took; what came twice is there once."""
    found: Series = {}
    for request in receiver.taken:
        for labels, samples in decoded(request.body):
            found.setdefault(tuple(sorted(labels.items())), {}).update(samples)
    return found


def of(series: Series, name: str, **labels: str) -> dict[int, float]:
    """The samples of the one series of this name with these labels."""
    wanted = {"__name__": name, **labels}
    (found,) = [samples for known, samples in series.items() if wanted.items() <= dict(known).items()]
    return found
