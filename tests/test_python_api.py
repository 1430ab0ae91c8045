"""Calls of `rli_agent.api`: what they write, and that nothing that goes wrong reaches the program."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import python_api
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rli_agent.api as insight
from rli_agent.api.event_file import EventFile
from rli_agent.events import Interval, Samples


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run's directory whose events this process writes."""
    monkeypatch.delenv("RLI_AGENT_EVENTS", raising=False)
    insight.init("project", "experiment", {"output_dir": tmp_path})
    yield tmp_path
    insight.finish()


def events(run: Path) -> list[object]:
    (file,) = python_api.files(run)
    return list(python_api.parsed(file.read_bytes()))


def states(run: Path) -> list[Interval]:
    return [event for event in events(run) if isinstance(event, Interval)]


def test_importing_it_imports_nothing_but_light_parts_of_the_standard_library() -> None:
    told = python_api.run(
        "import sys; before = set(sys.modules)\n"
        "import rli_agent.api\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    assert set(told.split()) <= {
        "__future__", "_json", "errno", "fcntl", "itertools", "json", "re", "rli_agent", "threading", "typing",
        "functools", "operator", "collections", "contextlib", "enum", "types", "keyword", "reprlib", "copyreg",
        "_collections", "_functools", "_operator", "_sre", "_typing", "_weakrefset", "_thread", "sre_compile",
        "sre_constants", "sre_parse", "heapq", "_heapq", "time",
    }  # fmt: skip


def test_nothing_is_written_before_init_and_after_finish(tmp_path: Path) -> None:
    told = python_api.run(
        "import sys, rli_agent.api as i\n"
        "i.metric_count('early')\n"
        "i.init(config={'output_dir': sys.argv[1]})\n"
        "with i.trace_state('late'): i.finish()\n"
        "i.metric_count('later')\n",
        tmp_path,
    )  # fmt: skip
    (file,) = python_api.files(tmp_path)
    assert [line["type"] for line in python_api.lines(file)] == ["process", "begin", "finish"]
    assert told == ""


TEXT = st.text(max_size=30)
FIGURE = st.floats() | st.integers(-(2**53), 2**53) | st.booleans()


@pytest.mark.real
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(TEXT.filter(len), FIGURE, st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=4)))
)
def test_all_names_values_and_labels_arrive_as_they_are(
    tmp_path: Path, calls: list[tuple[str, float, dict[str, object]]]
) -> None:
    path = tmp_path / f"{os.urandom(6).hex()}.jsonl"
    os.environ["RLI_AGENT_EVENTS"] = str(path)
    try:
        insight.init()
    finally:
        del os.environ["RLI_AGENT_EVENTS"]
    said = [c for c in calls if not {"name", "value", "documentation", "step"} & c[2].keys()]
    for name, value, labels in said:
        insight.metric_value(name, value, **labels)  # type: ignore[arg-type]
    insight.finish()
    found = [e for e in python_api.parsed(path.read_bytes() if path.exists() else b"") if isinstance(e, Samples)]
    assert len(found) == len(said)
    for event, (name, value, labels) in zip(found, said, strict=True):
        assert event.shape.names == (name.encode("utf-8", "replace").decode(),)
        assert event.values[0] == float(value) or (math.isnan(value) and math.isnan(event.values[0]))
        told = {k.encode("utf-8", "replace").decode(): _text(v) for k, v in labels.items()}
        assert dict(event.shape.labels) == {"role": "trainer"} | told


def _text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def test_equal_labels_of_other_types_are_told_apart(run: Path) -> None:
    for rank in (1, True, 1.0, "1"):
        insight.metric_value("x", 0.5, rank=rank)
    told = [dict(e.shape.labels)["rank"] for e in events(run) if isinstance(e, Samples)]
    assert told == ["1", "True", "1.0", "1"]


class Odd:
    """An object as programs pass them by mistake."""

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_cannot_be_said_is_left_out_and_logged_once(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    insight.metric_value("good", 1.0, where=Odd(), which=[1, 2])
    for _ in range(3):
        insight.metric_value("bad", None)  # type: ignore[arg-type]
        insight.metric_count("falls", -1.0)
        insight.metric_count("unknown", math.nan)
        insight.metric_value(Odd(), 1.0)  # type: ignore[arg-type]
        insight.trace_span(name="x", start_time_ns="?", end_time_ns=0, attributes=3)  # type: ignore[arg-type]
    with insight.trace_state(Odd(), state_lane_id=Odd()):  # type: ignore[arg-type]
        pass
    found = [e for e in events(run) if isinstance(e, Samples)]
    assert [(e.shape.names[0], e.values) for e in found] == [("good", [1.0])]
    assert dict(found[0].shape.labels)["which"] == "[1, 2]"
    assert [record.message.partition(":")[0] for record in caplog.records] == ["bad", "falls", "unknown", "x"]


def test_a_step_is_the_step_of_what_is_told_and_no_label(run: Path) -> None:
    insight.metric_value("reward", 0.5, step=7, rank=0)
    insight.metric_value("reward", 0.5, step="warm-up")
    with insight.trace_state("rollout", "r", step=7):
        pass
    first, second = (e for e in events(run) if isinstance(e, Samples))
    assert (first.step, dict(first.shape.labels)) == (7, {"rank": "0", "role": "trainer"})
    assert (second.step, dict(second.shape.labels)["step"]) == (None, "warm-up")
    assert [i.step for i in states(run)] == [7, 7]


def test_nested_and_overlapping_states_of_a_lane_are_all_kept(run: Path) -> None:
    outer, first, second = (insight.trace_state(name, "a") for name in ("step", "x", "x"))
    for state in (outer, first, second):
        state.__enter__()
    first.__exit__(None, None, None)
    told = states(run)
    assert [(i.state, i.end is None) for i in told] == [
        ("step", True), ("x", True), ("x", True), ("x", False), ("x", True),
    ]  # fmt: skip
    assert told[4].start == told[2].start  # the second one goes on
    for state in (second, outer):
        state.__exit__(None, None, None)
    closed = [i for i in states(run) if i.end is not None]
    assert [i.state for i in closed] == ["x", "x", "step"]


def test_decorated_functions_are_told_also_where_they_fail(run: Path) -> None:
    @insight.trace_op(kind="sync")
    def fails() -> None:
        raise KeyError("mine")

    @insight.trace_op("named", extra_labels=lambda first: {"first": first})
    async def awaited(first: int) -> int:
        await asyncio.sleep(0)
        return first + 1

    @insight.trace_op("broken", extra_labels=lambda first: first.nothing)
    def plain(first: int) -> int:
        return first

    @insight.trace_state("deciding", "judge")
    def state() -> str:
        return "done"

    with pytest.raises(KeyError, match="mine"):
        fails()
    assert asyncio.iscoroutinefunction(awaited)
    assert (asyncio.run(awaited(3)), plain(4), state()) == (4, 4, "done")

    async def cancelled() -> None:
        @insight.trace_op("cancelled")
        async def waits() -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    told = {i.state: dict(i.attributes) for i in states(run) if i.end is not None}
    assert told["named"] == {"first": 3, "monitor.trace_segment": "duration"}
    assert told["broken"] == {"monitor.trace_segment": "duration"}
    assert [n.rpartition(".")[2] for n in told] == ["fails", "named", "broken", "deciding", "cancelled"]


def test_threads_lose_nothing(run: Path) -> None:
    def count() -> None:
        for i in range(2000):
            insight.metric_count("calls", thread=threading.get_ident(), odd=i % 2)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(e.values[0] for e in events(run) if isinstance(e, Samples)) == 16_000


def test_a_forked_process_writes_a_file_of_its_own_and_ends_no_state_of_its_parent(tmp_path: Path) -> None:
    python_api.run(
        "import os, sys, rli_agent.api as i\n"
        "i.init('p', config={'output_dir': sys.argv[1], 'role': 'env'})\n"
        "i.metric_count('calls')\n"
        "with i.trace_state('outer', 'lane'):\n"
        "    child = os.fork()\n"
        "    i.metric_count('calls')\n"
        "if child: os.waitpid(child, 0)\n",
        tmp_path,
    )  # fmt: skip
    told = [[line["type"] for line in python_api.lines(file)] for file in python_api.files(tmp_path)]
    assert sorted(told) == [["process", "counter"], ["process", "counter", "begin", "counter", "end"]]
    pids = {line["pid"] for file in python_api.files(tmp_path) for line in python_api.lines(file) if "pid" in line}
    assert len(pids) == 2


def test_a_killed_process_costs_the_line_that_it_was_writing_at_most(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    for _ in range(3):
        process = python_api.program(
            "import itertools, rli_agent.api as i\n"
            "i.init()\n"
            "for n in itertools.count(): i.metric_value('n', n); n or print('begun', flush=True)\n",
            RLI_AGENT_EVENTS=str(path),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.kill()
        process.communicate()
        path.write_bytes(path.read_bytes() + b'{"type":"gauge","name":"cut o')  # as a full page's end would cut it
    figures = [e.values[0] for e in python_api.parsed(path.read_bytes()) if isinstance(e, Samples)]
    beginnings = [at for at, value in enumerate(figures) if value == 0.0]
    assert len(beginnings) == 3
    for begin, end in zip(beginnings, [*beginnings[1:], len(figures)], strict=True):
        assert figures[begin:end] == list(range(end - begin))


def test_a_full_disk_does_not_reach_the_program(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLI_AGENT_EVENTS", "/dev/full")
    insight.init("p")
    for _ in range(100):
        insight.metric_count("calls")
        with insight.trace_state("rollout"):
            pass
    insight.finish()
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.records[0].message


def test_a_disk_that_stays_full_costs_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rli_agent.api.event_file._TRY_EVERY", 0.0)
    file = EventFile(lambda: "/dev/full", lambda: b"hello\n")
    before = len(os.listdir("/proc/self/fd"))
    for second in range(50):
        file.write(b"1\n", 1000.0 + second)
    assert file.lost == 50
    assert len(os.listdir("/proc/self/fd")) == before


def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    python_api.run(
        "import resource, sys, rli_agent.api as i\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "i.init(config={'output_dir': sys.argv[1]}); i.metric_count('calls')",
        tmp_path,
    )  # fmt: skip
    (file,) = python_api.files(tmp_path)
    assert [line["type"] for line in python_api.lines(file)] == ["process", "counter"]


def test_what_a_full_disk_cost_is_told_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    python_api.run(
        "import resource, rli_agent.api as i\n"
        "i.init()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "for n in range(100): i.metric_value('n', n)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "i.metric_value('n', 100)\n",
        RLI_AGENT_EVENTS=str(path),
    )  # fmt: skip
    told = python_api.lines(path)
    lost = sum(line["count"] for line in told if line["type"] == "lost")
    figures = [line["value"] for line in told if line["type"] == "gauge"]
    assert figures == [*range(100 - lost), 100]
    assert 80 < lost < 100


@pytest.mark.parametrize("place", ["/dev/null/run", "/proc/1/run"])
def test_a_place_that_cannot_be_written_is_said_once(place: str, caplog: pytest.LogCaptureFixture) -> None:
    insight.init(config={"output_dir": place})
    for _ in range(3):
        insight.metric_count("calls")
    insight.finish()
    assert len(caplog.records) == 1


def test_a_second_init_changes_nothing(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    insight.init("other", config={"output_dir": "/nowhere"})
    insight.metric_count("calls")
    assert len(events(run)) == 3
    assert "called before" in caplog.text


def test_descriptors_that_somebody_closed_are_opened_again(run: Path) -> None:
    insight.metric_count("calls")
    os.closerange(400, 2000)
    stranger = os.open("/dev/null", os.O_RDONLY)
    insight.metric_count("calls")
    os.close(stranger)
    assert sum(e.values[0] for e in events(run) if isinstance(e, Samples)) == 2


def test_a_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "events.jsonl"
    file = EventFile(lambda: str(path), lambda: b"hello\n")
    file.write(b"1\n", 1000.0)
    path.unlink()
    path.parent.rmdir()
    file.write(b"2\n", 1010.0)
    file.close()
    assert path.read_text() == "hello\n2\n"
