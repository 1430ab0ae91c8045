"""Figures on their way: receivers that are away, answer anything or never, and what a second watch sends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from receivers import HttpReceiver, until
from remote_receiver import all_taken, of, samples_in
from test_remote_write_rows import DAY, line

from rli_agent.catalogue import Catalogue
from rli_agent.publish import from_store
from rli_agent.publish.naming import Naming, RunLabels
from rli_agent.publish.remote_write import exporter as exporting
from rli_agent.publish.remote_write import receiver as receiving
from rli_agent.publish.remote_write.exporter import Page, RemoteWrite
from rli_agent.publish.remote_write.target import Access, Target
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.store.run_store import RunStore

NAME = "rl_insight_monitor_loss"
Start = Callable[..., RemoteWrite]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_store, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(from_store, "LOOK", 0.02)
    monkeypatch.setattr(receiving, "TIMEOUT", 0.5)


@pytest.fixture
def start(store: RunStore, receiver: HttpReceiver) -> Iterator[Start]:
    begun: list[RemoteWrite] = []

    def begin(window: float | None = None, page: Page | None = None, own: SelfMetrics | None = None) -> RemoteWrite:
        target = Target(receiver.url, {"job": "rli-agent", "instance": "n1"}, "remote write", window)
        begun.append(
            RemoteWrite(
                store, lambda: target, "history", Naming(Catalogue.load()), lambda: RunLabels("p", "e", "r", "verl"),
                frozenset, own or SelfMetrics(), threading.Event(), Access({"X-Scope-OrgID": "team"}), page,
            )
        )  # fmt: skip
        begun[-1].tick(0.0)
        return begun[-1]

    yield begin
    for exporter in begun:
        exporter._ended.set()
        exporter.close(1.0)


def times(receiver: HttpReceiver) -> list[float]:
    return [at / 1000 for at in of(all_taken(receiver), NAME)]


def test_what_is_in_the_store_is_sent_and_then_what_comes(
    store: RunStore, receiver: HttpReceiver, start: Start
) -> None:
    store.commit([line("a.log", n, DAY + n) for n in range(5)], [])
    exporter = start()
    until(lambda: receiver.taken and len(times(receiver)) == 5, "five samples")
    store.commit([line("a.log", 5, DAY + 5)], [])
    until(lambda: len(times(receiver)) == 6, "one more")
    exporter.close(5.0)
    request = receiver.got[0]
    assert request.headers["Content-Encoding"] == "snappy"
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert request.headers["X-Scope-OrgID"] == "team"
    (labels,) = [dict(labels) for labels in all_taken(receiver) if dict(labels)["__name__"] == NAME]
    assert labels.items() >= {"job": "rli-agent", "instance": "n1", "run": "r", "role": "unknown"}.items()


def test_a_second_watch_sends_only_what_is_new(store: RunStore, receiver: HttpReceiver, start: Start) -> None:
    store.commit([line("a.log", 1, DAY)], [])
    start().close(5.0)
    store.commit([line("a.log", 2, DAY + 1)], [])
    start().close(5.0)
    assert [samples_in(request) for request in receiver.taken] == [2, 2]  # the loss and rl_step, of one line each
    assert times(receiver) == [DAY, DAY + 1]


@pytest.mark.real
@pytest.mark.parametrize(
    "answer",
    [None, (500, {}, "disk"), (503, {"Retry-After": "0.05"}, ""), (429, {}, "slow down"), (404, {}, ""), (401, {}, "")],
    ids=str,
)
def test_it_is_sent_again_until_it_is_taken(
    store: RunStore, receiver: HttpReceiver, start: Start, answer: tuple[int, dict[str, str], str] | None
) -> None:
    receiver.answers = [answer, answer, (204, {}, "")]
    store.commit([line("a.log", 1, DAY)], [])
    own = SelfMetrics()
    exporter = start(own=own)
    until(lambda: receiver.taken, "the third try")
    exporter.close(5.0)
    assert [request.body for request in receiver.got] == [receiver.taken[0].body] * 3
    assert own.registry.get_sample_value("rli_agent_exporter_failures_total", {"exporter": "history"}) == 2


@pytest.mark.real
def test_a_receiver_that_asks_for_time_gets_it(store: RunStore, receiver: HttpReceiver, start: Start) -> None:
    receiver.answers = [(429, {"Retry-After": "0.7"}, "")]
    store.commit([line("a.log", 1, DAY)], [])
    start()
    until(lambda: receiver.taken, "the second try")
    assert receiver.got[1].at - receiver.got[0].at >= 0.7


def test_one_refused_sample_keeps_nothing_back(store: RunStore, receiver: HttpReceiver, start: Start) -> None:
    store.commit([line("a.log", n, DAY + n) for n in range(4)], [])
    refusal: tuple[int, dict[str, str], str] = (400, {}, "out of order sample")
    receiver.answers = [refusal, (200, {}, ""), refusal, (200, {}, ""), refusal, refusal, (200, {}, "")]
    own = SelfMetrics()
    exporter = start(own=own)
    exporter.close(5.0)
    sent, refused = (
        own.registry.get_sample_value("rli_agent_remote_write_samples_total", {"outcome": outcome})
        for outcome in ("sent", "refused")
    )
    assert (sent, refused) == (7, 1)
    store.commit([line("a.log", 9, DAY + 9)], [])
    start().close(5.0)
    assert times(receiver)[-1] == DAY + 9


def test_what_no_window_takes_is_left_out_and_counted(store: RunStore, receiver: HttpReceiver, start: Start) -> None:
    now = exporting.time.time()
    store.commit([line("a.log", n, at) for n, at in enumerate((now - 40 * 86_400, now - 60, now + 3600))], [])
    own = SelfMetrics()
    start(window=30 * 86_400.0, own=own).close(5.0)
    assert [round(at) for at in times(receiver)] == [round(now - 60)]
    left_out = own.registry.get_sample_value("rli_agent_remote_write_samples_total", {"outcome": "left_out"})
    assert left_out == 4


def test_a_receiver_that_does_not_scrape_gets_the_page_too(receiver: HttpReceiver, start: Start) -> None:
    exporter = start(page=Page(lambda: 'rli_agent_lines_total{role="trainer"} 7.0\n', 0.02))
    until(lambda: len(receiver.taken) >= 2, "two pages")
    exporter.close(5.0)
    values = list(of(all_taken(receiver), "rli_agent_lines_total").values())
    assert values[0] == 7.0
    assert values[-1] != values[-1], "at the end the series ends"
