"""Remote write: what is in a message, what an answer means, and that refused samples keep nothing else back."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from remote_receiver import decoded

from rli_agent.publish.naming import RunLabels
from rli_agent.publish.remote_write import delivery as delivering
from rli_agent.publish.remote_write.delivery import LOOKED_FOR, Delivery
from rli_agent.publish.remote_write.message import STALE, Sample, encode, labels_of, series_of
from rli_agent.publish.remote_write.page import PageSamples
from rli_agent.publish.remote_write.receiver import Verdict, judge
from rli_agent.publish.remote_write.series import SeriesTable

A, B = series_of("a", (("role", "trainer"),)), series_of("b", ())


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from([A, B]), st.floats()), unique_by=lambda s: s[:2]).map(
        sorted
    )
)
def test_a_message_holds_what_was_put_into_it(samples: list[tuple[int, bytes, float]]) -> None:
    found = sorted(
        (
            at,
            series_of(labels["__name__"], tuple(pair for pair in labels.items() if pair[0] != "__name__")),
            bits(value),
        )
        for labels, values in decoded(encode(Sample(*sample) for sample in samples))
        for at, value in values
    )
    assert found == sorted((at, series, bits(value)) for at, series, value in samples)


def test_the_labels_of_a_series_are_sorted_and_never_empty() -> None:
    series = series_of("rl_step", (("run", "r"), ("Z", "1"), ("engine", "")))
    assert list(labels_of(series).items()) == [("Z", "1"), ("__name__", "rl_step"), ("run", "r")]


# What each answers was seen with Prometheus 2.42, or stands in the sources of the others.
ANSWERS = [
    (200, "", Verdict("taken")),
    (204, "", Verdict("taken")),
    (400, "out of order sample", "refused"),
    (400, "duplicate sample for timestamp", "refused"),
    (400, "out of bounds", "too old"),
    (400, "too old sample", "too old"),
    (500, "too old sample", "too old"),
    (409, "store locally: conflict", "refused"),
    (400, "its timestamp is too old (err-mimir-sample-timestamp-too-old)", "too old"),
    (400, "snappy: corrupt input", "strange"),
    (413, "request entity too large", "large"),
    (401, "no", "later"),
    (404, "page not found", "later"),
    (429, "slow down", "later"),
    (500, "disk", "later"),
    (503, "", "later"),
    (301, "", "later"),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS, ids=lambda value: str(value)[:30])
def test_what_an_answer_means(status: int, body: str, expected: str | Verdict) -> None:
    verdict = judge(status, {}, body.encode())
    if isinstance(expected, Verdict):
        assert verdict == expected
        return
    assert body in verdict.reason
    assert verdict.what == {"too old": "refused", "strange": "refused"}.get(expected, expected)
    if verdict.what == "refused":
        assert verdict.too_old == (expected == "too old")
        assert verdict.about_samples == (expected != "strange")


def test_a_receiver_says_how_long_to_wait() -> None:
    assert judge(429, {"Retry-After": "7"}, b"").wait == 7.0


# -- refusals


class Choosy:
    """Refuses a request as a whole where it holds one of `bad`, or anything older than `horizon`."""

    def __init__(self, bad: Sequence[int] = (), horizon: int = 0, largest: int = 10**9, reason: str = "") -> None:
        self.bad, self.horizon, self.largest = set(bad), horizon, largest
        self.reason = reason or "duplicate sample for timestamp"
        self.taken: list[int] = []
        self.requests = 0

    def send(self, samples: Sequence[Sample]) -> Verdict:
        self.requests += 1
        times = [sample.at for sample in samples]
        assert times == sorted(times)
        if len(times) > self.largest:
            return judge(413, {}, b"")
        if any(at < self.horizon for at in times):
            return judge(400, {}, b"too old sample")
        if self.bad & set(times):
            return judge(400, {}, self.reason.encode())
        self.taken += times
        return judge(204, {}, b"")


def batch(size: int) -> list[Sample]:
    return [Sample(at, A, 0.0) for at in range(1, size + 1)]


@given(st.integers(1, 300), st.sets(st.integers(1, 300), max_size=LOOKED_FOR), st.integers(1, 400))
def test_what_is_refused_keeps_nothing_else_back(size: int, bad: set[int], largest: int) -> None:
    receiver = Choosy(sorted(bad), largest=largest)
    outcome = Delivery(receiver.send).deliver(batch(size))
    assert outcome.later is None
    assert sorted(receiver.taken) == [at for at in range(1, size + 1) if at not in bad]
    assert (outcome.taken, outcome.refused) == (len(receiver.taken), size - len(receiver.taken))


@given(st.integers(1, 5000), st.integers(1, 6000))
def test_what_is_too_old_is_found_in_few_requests(size: int, horizon: int) -> None:
    receiver = Choosy(horizon=horizon)
    delivery = Delivery(receiver.send)
    outcome = delivery.deliver(batch(size))
    assert sorted(receiver.taken) == list(range(horizon, size + 1))
    assert outcome.refused == min(size, horizon - 1)
    assert receiver.requests <= 2 * math.ceil(math.log2(size + 1)) + 2
    receiver.requests = 0
    assert delivery.deliver(batch(min(size, horizon - 1))).taken == 0
    assert receiver.requests == 0, "it is known by now"


def test_a_receiver_that_refuses_everything_costs_a_bounded_number_of_requests() -> None:
    receiver = Choosy(range(10_000))
    outcome = Delivery(receiver.send).deliver(batch(5000))
    assert (outcome.taken, outcome.refused) == (0, 5000)
    assert receiver.requests < 1000


def test_a_refusal_for_an_unknown_reason_is_obeyed_only_beside_something_that_was_taken() -> None:
    strange = Choosy(range(10), reason="no such tenant")
    outcome = Delivery(strange.send).deliver(batch(4))
    assert outcome.later is not None
    assert "no such tenant" in outcome.later.reason
    beside = Choosy([2], reason="no such tenant")
    assert Delivery(beside.send).deliver(batch(4)).refused == 1


def test_a_batch_is_cut_into_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "REQUEST", 10)
    receiver = Choosy()
    assert Delivery(receiver.send).deliver(batch(25)).taken == 25
    assert receiver.requests == 3


# -- a page as samples

PAGE = """# HELP rl_step The newest step
# TYPE rl_step gauge
rl_step{project="p",role="trainer"} 7.0
rl_x{project="p",key="a \\"b\\" \\\\ } c"} +Inf
"""


def test_a_page_becomes_samples_and_a_series_that_is_gone_ends() -> None:
    table = SeriesTable(lambda: RunLabels("p", "e", "r", "verl"), {"job": "rli-agent", "instance": "n1"})
    page = PageSamples(table)
    first = {labels_of(s.series)["__name__"]: s for s in page.samples(PAGE, 1000)}
    assert labels_of(first["rl_step"].series) == {
        "__name__": "rl_step", "role": "trainer", "project": "p", "experiment_name": "e", "run": "r",
        "framework": "verl", "job": "rli-agent", "instance": "n1",
    }  # fmt: skip
    assert labels_of(first["rl_x"].series)["key"] == 'a "b" \\ } c'
    assert (first["rl_step"].value, first["rl_x"].value) == (7.0, math.inf)
    (again, gone) = page.samples("\n".join(PAGE.splitlines()[:3]), 2000)
    assert (again.series, again.at) == (first["rl_step"].series, 2000)
    assert (gone.series, bits(gone.value)) == (first["rl_x"].series, STALE)
    assert [bits(sample.value) for sample in page.ended(3000)] == [STALE]
    assert page.ended(4000) == []
