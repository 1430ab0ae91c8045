"""Chrome traces beside a run: Ray's timeline, torch's profiler by rank; huge, cut off, or no trace at all."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import report
from test_report import refused, steps

from rli_agent.errors import UserError
from rli_agent.traces import events, reading
from rli_agent.traces.ranks import ranks
from rli_agent.traces.reading import Trace, outermost, read_traces

#: When `test_report.steps` begin: 2026-03-01 10:00 UTC.
BEGIN = 1_772_359_200.0


def read_trace(path: Path) -> Trace:
    (trace,) = read_traces([path])
    return trace


def torch_trace(path: Path, rank: int, at: float, seconds: float, **more: Any) -> Path:
    """What Kineto writes for one process: operators, and what the program marked."""
    told: list[dict[str, Any]] = [{"ph": "M", "name": "process_name", "pid": 9, "tid": 0, "args": {"name": "python"}}]
    told += [
        {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 9, "tid": 1, "ts": at * 1e6 + i, "dur": 0.5}
        for i in range(50)
    ]
    told += [
        {"ph": "X", "cat": "user_annotation", "name": f"micro_batch#{i}", "pid": 9, "tid": 1,
         "ts": (at + i * seconds / 4) * 1e6, "dur": seconds / 4 * 1e6}
        for i in range(4)
    ]  # fmt: skip
    whole = {"schemaVersion": 1, "distributedInfo": {"backend": "nccl", "rank": rank, "world_size": 4}, **more,
             "traceEvents": told, "traceName": "x"}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        json.dump(whole, file)
    return path


def ray_timeline(path: Path, workers: int = 3, rounds: int = 4, slow: int = -1) -> Path:
    told = []
    for worker in range(workers):
        for n in range(rounds):
            for name, after, lasted in (("generate_sequences", 0.0, 11.0), ("update_actor", 11.5, 7.5)):
                at = BEGIN + 20 + 20 * n + after
                lasted *= 1.9 if worker == slow and name == "update_actor" else 1.0
                thread = {"pid": "10.0.0.1", "tid": f"worker:{worker}0123456789abcdef", "ph": "X", "args": {}}
                task = {"cat": "task", "name": f"task::WorkerDict.{name}", "ts": at * 1e6, "dur": lasted * 1e6}
                inside = {"cat": "task", "name": "task:execute", "ts": at * 1e6 + 5, "dur": lasted * 9e5}
                told += [task | thread, inside | thread]
    path.write_text(json.dumps(told))
    return path


def test_torch_by_rank_is_told_by_the_folders_of_its_phases(tmp_path: Path) -> None:
    base = {"baseTimeNanoseconds": int(BEGIN) * 10**9}
    for rank in range(4):
        torch_trace(tmp_path / f"p/actor_update/prof_{rank}.json.gz", rank, 40.0, 22.0 if rank != 2 else 40.0, **base)
        torch_trace(tmp_path / f"p/ref_compute_log_prob/prof_{rank}.json.gz", rank, 30.0, 6.0, **base)
    torch_trace(tmp_path / "p/actor_update/async_llm_0.json.gz", 0, 0.0, 900.0)  # front end of an engine
    found = read_traces([tmp_path / "p"])
    assert len(found) == 8
    assert {(trace.kind, trace.dated, trace.rank) for trace in found} == {("torch", True, rank) for rank in range(4)}
    table = ranks(found)
    assert table is not None
    assert table.lanes == ["rank 0", "rank 1", "rank 2", "rank 3"]
    assert table.phases.index("ref_compute_log_prob") < table.phases.index("actor_update")
    assert table.seconds["rank 2", "actor_update"] == pytest.approx(40.0)
    assert ("actor_update", "rank 2") in [(phase, lane) for phase, lane, _, _ in table.slow()]
    first = next(span for span in found[0].spans if span.name == "actor_update")
    assert first.start == pytest.approx(BEGIN + 40.0)


def test_rays_workers_are_lanes_and_their_tasks_phases(tmp_path: Path) -> None:
    (trace,) = read_traces([ray_timeline(tmp_path / "timeline.json")])
    assert (trace.kind, trace.dated, trace.events) == ("ray", True, 48)
    assert {span.lane for span in trace.spans} == {f"10.0.0.1 worker:{n}0123456" for n in range(3)}
    assert {span.name for span in trace.spans} == {"WorkerDict.generate_sequences", "WorkerDict.update_actor"}
    assert len(trace.spans) == 24


def test_begin_and_end_events_and_named_threads(tmp_path: Path) -> None:
    told = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "trainer"}},
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "run"}},
        {"ph": "B", "name": "outer", "pid": 1, "tid": 2, "ts": 0},
        {"ph": "B", "name": "inner", "pid": 1, "tid": 2, "ts": 10},
        {"ph": "E", "pid": 1, "tid": 2, "ts": 20}, {"ph": "E", "pid": 1, "tid": 2, "ts": 1e6},
        {"ph": "E", "pid": 1, "tid": 2, "ts": 2e6}, {"ph": "X", "pid": 1, "tid": 2, "ts": "nan", "dur": 1},
        {"ph": "X", "name": "back", "pid": 1, "tid": 2, "ts": 5, "dur": -4}, "no event", 7, {"ph": 3, "ts": {}},
    ]  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps({"displayTimeUnit": "ms", "traceEvents": told}))
    trace = read_trace(tmp_path / "t.json")
    assert [(s.lane, s.name, s.end - s.start) for s in trace.spans] == [
        ("run trainer", "outer", 1.0), ("run trainer", "inner", pytest.approx(1e-5)),
    ]  # fmt: skip
    assert not trace.dated


def test_a_trace_in_the_runs_time_is_drawn_in_its_timeline(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 5)
    page = report(run, "--trace", ray_timeline(tmp_path / "ray.json", slow=1), home=tmp_path)
    lanes = [lane["name"] for lane in page.data("timeline")["lanes"]]
    assert lanes[0] == "trainer"
    assert len(lanes) == 4
    assert page.section("traces") is None
    assert "WorkerDict.update_actor took 57 s on 10.0.0.1 worker:1" in page.told("words")
    cells = page.section("ranks").all("td", "h6")  # type: ignore[union-attr]
    assert [cell.text for cell in cells] == ["57"]


def test_a_trace_of_another_time_gets_a_timeline_of_its_own(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 5)
    for rank in range(2):
        torch_trace(tmp_path / f"p/prof_{rank}.json.gz", rank, 10.0, 3.0)
    page = report(run, "--trace", tmp_path / "p", home=tmp_path)
    assert [lane["name"] for lane in page.data("traces")["lanes"]] == ["rank 0", "rank 1"]
    assert [lane["name"] for lane in page.data("timeline")["lanes"]] == ["trainer"]
    assert "No rank is slower than the others" in page.told("words")


def test_names_in_a_trace_stay_text(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 2)
    told = [{"ph": "X", "name": "</script><img src=x>\u202e", "pid": "<b>", "tid": 1, "ts": 0, "dur": 1e6}]
    (tmp_path / "t.json").write_text(json.dumps(told))
    page = report(run, "--trace", tmp_path / "t.json", home=tmp_path)
    assert not page.all("img")
    assert "<img src=x>" in page.told("ranks")
    assert "\u202e" not in page.source


def test_what_is_no_trace_is_refused_and_what_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = ray_timeline(tmp_path / "ray.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) // 2])
    trace = read_trace(tmp_path / "cut.json")
    assert 10 < len(trace.spans) < 24
    assert trace.cut == "it ends in its middle"
    packed = torch_trace(tmp_path / "whole.json.gz", 1, 1.0, 2.0).read_bytes()
    (tmp_path / "cut.json.gz").write_bytes(packed[:-40])
    cut = read_trace(tmp_path / "cut.json.gz")
    assert cut.cut
    assert cut.rank == 1
    assert cut.events > 20
    (tmp_path / "two.json.gz").write_bytes(gzip.compress(whole[:500].encode()) + gzip.compress(whole[500:].encode()))
    assert len(read_trace(tmp_path / "two.json.gz").spans) == 24
    run = steps(tmp_path / "run", 2)
    page = report(run, "--trace", tmp_path / "cut.json", home=tmp_path)
    assert "1 of 1 traces could not be read to their end." in page.told("words")
    for name, text in (("empty", ""), ("word", "hello"), ("object", '{"a": 1}'), ("nothing", "{}")):
        (tmp_path / name).write_text(text)
        assert "is not a trace" in refused(run, "--trace", tmp_path / name)
    (tmp_path / "folder").mkdir()
    assert "holds no trace" in refused(run, "--trace", tmp_path / "folder")
    assert "no such file" in refused(run, "--trace", tmp_path / "nowhere")


@given(st.binary(max_size=400), st.sampled_from([b"", b"[", b'{"traceEvents": [', b"\x1f\x8b"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, before: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / f"junk-{os.getpid()}.json"
    file.write_bytes(before + data)
    with contextlib.suppress(UserError):
        assert read_trace(file).events >= 0


@given(st.integers(1, 64), st.integers(0, 2**32))
def test_where_chunks_end_does_not_matter(tmp_path_factory: pytest.TempPathFactory, chunk: int, seed: int) -> None:
    chance = random.Random(seed)
    words = 'é{["'
    told = [{"ph": "X", "name": words * chance.randint(0, 3), "ts": chance.random() * 1e6, "dur": 5} for _ in range(6)]
    file = tmp_path_factory.getbasetemp() / f"chunks-{os.getpid()}.json"
    about = {"n": 12345, "list": [1, {"a": "]}"}]}
    file.write_text(json.dumps({"before": about, "traceEvents": told, "after": 67}, ensure_ascii=False))
    before, events._CHUNK = events._CHUNK, chunk
    try:
        found = events.Events(file)
        assert [(event.name, event.ts, event.dur) for event in found] == [(e["name"], e["ts"], e["dur"]) for e in told]
        assert found.about == {"before": about, "after": 67}
        assert not found.cut
    finally:
        events._CHUNK = before


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30))
def test_outermost_are_those_inside_at_most_one_other(told: list[tuple[int, int]]) -> None:
    spans = [(float(a), float(a + length + 1), f"{n}", 1, 1) for n, (a, length) in enumerate(told)]
    for span in outermost(spans):
        around = [s for s in spans if s[0] < span[0] and s[1] > span[1]]
        assert len(around) < 2


@pytest.mark.real
def test_a_huge_trace_is_read_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = json.dumps({"ph": "X", "cat": "cpu_op", "name": "aten::mm" * 20, "pid": 1, "tid": 1, "ts": 1, "dur": 2})
    file = tmp_path / "huge.json.gz"
    with gzip.open(file, "wt", compresslevel=1) as out:
        out.write("[" + ",\n".join([one] * 200_000) + "]")
    monkeypatch.setattr(events, "MOST", 24 << 20)
    monkeypatch.setattr(reading, "MOST", 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trace = read_trace(file)
    assert trace.cut == "only its first 24 MiB were read"
    assert 80_000 < trace.events < 200_000
    assert len(trace.spans) <= 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_one_process_alone_shows_what_it_marked_and_not_each_operator(tmp_path: Path) -> None:
    thread = {"ph": "X", "pid": 9, "tid": 1}
    told = [{"cat": "cpu_op", "name": f"aten::{n}", "ts": n, "dur": 0.5, **thread} for n in range(9)]
    told.append({"cat": "user_annotation", "name": "forward", "ts": 1.0, "dur": 3.0, **thread})
    (tmp_path / "x.pt.trace.json").write_text(json.dumps({"schemaVersion": 1, "traceEvents": told}))
    trace = read_trace(tmp_path / "x.pt.trace.json")
    assert {span.name for span in trace.spans} == {tmp_path.name, "forward"}
    assert {span.lane for span in trace.spans} == {"x.pt.trace.json"}


def test_more_than_can_be_read_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in range(3):
        torch_trace(tmp_path / f"prof_{rank}.json.gz", rank, 1.0, 2.0)
    monkeypatch.setattr(reading, "TOTAL", 8000)
    first, *_, last = read_traces([tmp_path])
    assert first.spans
    assert not last.spans
    assert "were read before it" in last.cut
