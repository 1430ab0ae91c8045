"""A window on the merged log: the same lines as in the whole, wherever it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from growing_run import write, write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rli_agent.cli import main
from rli_agent.errors import UserError
from rli_agent.logs import part, window
from rli_agent.logs.window import LogLine, Window
from rli_agent.query.log_windows import LogsWanted
from rli_agent.query.run import RunQueries

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunQueries]:
    folder = tmp_path_factory.mktemp("windows")
    write_run(folder / "run", 400)
    write(folder / "run", "logs/notes.log", "".join(f"nothing that a rule reads {n}\n" for n in range(50)))
    os.environ["TZ"] = "UTC"
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(folder / "state"), str(folder / "run")]) == 0
    (store,) = folder.glob("state/runs/*/run.sqlite")
    with RunQueries(store) as queries:
        yield queries


@pytest.fixture(scope="module")
def whole(run: RunQueries) -> list[LogLine]:
    return list(pages(run, LogsWanted(at=0.0, after=300)))


def pages(run: RunQueries, wanted: LogsWanted) -> Iterator[LogLine]:
    found = run.logs(wanted)
    yield from found.lines
    for _ in range(1000):
        if not found.more_after:
            break
        found = run.logs(LogsWanted(cursor=found.last, after=wanted.after, level=wanted.level, text=wanted.text))
        yield from found.lines


def places(lines: list[LogLine]) -> list[tuple[str, int]]:
    return [(line.file, line.line) for line in lines]


@pytest.mark.real
def test_pages_forward_give_each_line_once_in_the_order_of_time(run: RunQueries, whole: list[LogLine]) -> None:
    there = {str(source.path): source.path for source in part.sources(run._db)}
    lines = sum(path.read_bytes().count(b"\n") for path in there.values())
    assert (len(whole), len(set(places(whole)))) == (lines, lines)
    assert [line.time for line in whole] == sorted(line.time for line in whole)


@pytest.mark.real
def test_pages_backward_from_the_end_give_the_same_lines(run: RunQueries, whole: list[LogLine]) -> None:
    found = run.logs(LogsWanted())
    back = found.lines
    assert places(back) == places(whole)[-200:]
    for _ in range(100):
        if not found.more_before:
            break
        found = run.logs(LogsWanted(cursor=found.first, before=170, after=0))
        back = [*found.lines, *back]
    assert places(back) == places(whole)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 800), st.integers(1, 60), st.integers(0, 60))
def test_a_window_at_a_time_is_a_part_of_the_whole(
    run: RunQueries, whole: list[LogLine], place: int, after: int, before: int
) -> None:
    at = whole[place % len(whole)].time
    begin = next(i for i, line in enumerate(whole) if line.time >= at)
    found = run.logs(LogsWanted(at=at, after=after, before=before))
    assert places(found.lines) == places(whole)[max(0, begin - before) : begin + after]


def test_with_little_to_be_read_at_once_a_rare_line_is_found_page_by_page(
    run: RunQueries, whole: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "ENOUGH", 3000)
    asked = LogsWanted(at=0.0, after=5, level="ERROR", text="FATAL ERROR")
    assert places(list(pages(run, asked))) == places([line for line in whole if "Fatal error" in line.text])
    monkeypatch.setattr(window, "BACK", 2000)
    monkeypatch.setattr(window, "FAR", 2000)
    found: Window = run.logs(LogsWanted(text="max_steps", after=9))
    for _ in range(2000):
        if found.lines or not found.more_before:
            break
        found = run.logs(LogsWanted(cursor=found.first, text="max_steps", before=9, after=0))
    assert [line.role for line in found.lines] == ["orchestrator", "trainer"]


def test_a_step_has_its_own_lines_and_one_that_was_not_seen_is_told(run: RunQueries) -> None:
    found = run.logs(LogsWanted(step=7))
    assert "Step 7 |" in found.lines[0].text
    assert run.logs(LogsWanted(cursor=found.first, step=7, before=9, after=0)).lines == []
    with pytest.raises(UserError, match="no step 9999 was seen"):
        run.logs(LogsWanted(step=9999))
    with pytest.raises(UserError, match="is not a place in the log"):
        run.logs(LogsWanted(cursor="nan:1:2"))


def test_a_traceback_is_of_one_level_and_one_file_alone_can_be_asked_for(run: RunQueries) -> None:
    trouble = next(p for p in run.problems().problems if p.kind == "cuda_oom")
    assert trouble.last_time is not None
    found = run.logs(LogsWanted(at=trouble.last_time, file=trouble.file, level="ERROR", after=5))
    assert (found.lines[0].line, {line.file for line in found.lines}) == (trouble.line, {trouble.file})
    assert "OutOfMemoryError" in found.lines[4].text
    assert run.logs(LogsWanted(file="../../etc/passwd")).lines == []
