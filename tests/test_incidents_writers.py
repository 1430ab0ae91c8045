"""Tracebacks of several writers in one file, and behind what captured their lines."""

from __future__ import annotations

import pytest
from incident_logs import CHAINED, PLAIN, parser, prefixed, problems, told

from rli_agent.events import Event
from rli_agent.printing import printed


def test_vllm_puts_its_header_before_every_line() -> None:
    header = "(EngineCore_DP0 pid=7) ERROR 05-08 15:30:47 [core.py:390] "
    text = prefixed(header, "EngineCore encountered a fatal error.\n" + CHAINED)
    assert told(text) == [(1, "timeout")]


def test_what_the_engine_logs_and_then_dies_of_is_told_once() -> None:
    logged = prefixed(
        "(EngineCore_DP0 pid=7) ERROR 05-08 15:30:47 [core.py:390] ", "EngineCore failed to start.\n" + PLAIN
    )
    died = prefixed("(EngineCore_DP0 pid=7) ", "Process EngineCore_DP0:\n" + PLAIN)
    assert told(logged + died) == [(1, "cuda_oom")]
    assert told(died) == [(2, "cuda_oom")]


def test_ranks_that_print_through_each_other_have_a_problem_each() -> None:
    ranks = [prefixed(f"[rank{rank}]: ", PLAIN).splitlines() for rank in range(16)]
    text = "".join(f"{line}\n" for lines in zip(*ranks, strict=True) for line in lines)
    found = problems(text)
    assert [(p["line"], p["kind"]) for p in found] == [(rank + 1, "cuda_oom") for rank in range(16)]
    assert {p["message"] for p in found} == {PLAIN.rstrip("\n")}


def test_ranks_without_a_prefix_have_a_problem_each_too() -> None:
    text = "".join(f"{line}\n{line}\n" for line in PLAIN.splitlines())
    assert [kind for _, kind in told(text)] == ["cuda_oom", "cuda_oom"]


def test_lines_of_other_writers_stand_between() -> None:
    lines = PLAIN.splitlines()
    text = "\n".join([lines[0], "(raylet) a node was added", *lines[1:3], "10:00:00    INFO step 4 of 9", *lines[3:]])
    assert told(text + "\n") == [(1, "cuda_oom")]


def test_the_tasks_of_srun_are_told_apart() -> None:
    mine = prefixed("3: ", PLAIN).splitlines()
    text = "\n".join([*mine[:3], "13: 10:02:04    INFO Forward pass 1/8", *mine[3:]])
    assert told("0: 10:02:03    INFO Starting\n" + text + "\n") == [(2, "cuda_oom")]


@pytest.mark.parametrize("before", ["trainer-1  | ", "dgx-03: ", "Jul 31 08:28:47 ", "[1,3]<stderr>:"])
def test_whatever_captured_the_lines_is_no_part_of_a_traceback(before: str) -> None:
    assert told(prefixed(before, "10:02:03    INFO Starting\n" * 3 + PLAIN)) == [(4, "cuda_oom")]


def test_what_captured_the_lines_shows_also_where_they_come_one_by_one() -> None:
    text = prefixed("trainer-1  | ", "10:02:03    INFO Starting\n" * 4 + PLAIN)
    reader, events = parser(), list[Event]()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        events += reader.feed(line.encode(), number, number)
    assert [(p["line"], p["kind"]) for p in printed(events + reader.flush())] == [(5, "cuda_oom")]


def test_a_rank_may_begin_its_traceback_behind_a_bar_of_another() -> None:
    bar = " 35%|███▌      | 35/100 [00:03<00:06,  1.94it/s]"
    assert told(bar + prefixed("[rank0]: ", PLAIN)) == [(1, "cuda_oom")]
