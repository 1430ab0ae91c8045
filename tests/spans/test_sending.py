"""Spans on their way: each arrives once, whatever the store and the environment have been through."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from agent_process import until
from span_receiver import Receiver, send_all, start, steps

from rli_agent.events import Samples
from rli_agent.publish.spans import exporter as exporting
from rli_agent.store.run_store import RunRow, RunStore


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


def test_what_leaves_the_machine_is_compressed(
    store: RunStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rli_agent.publish.spans.sender.is_loopback", lambda _: False)
    for many in (0, 10**9):
        monkeypatch.setattr(exporting, "MANY", many)
        store.commit(steps(len(receiver.ids) // 4 + 1, 2), [])
        send_all(store, receiver.url)
    assert len(set(receiver.ids)) == 16
    assert {headers.get("content-encoding") for _, headers in receiver.requests} == {"gzip"}


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
        assert "content-encoding" not in headers
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
