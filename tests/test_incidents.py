"""One incident, however many lines it takes: the grammar of tracebacks, wherever a block of bytes ends."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.events import Event, Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.incidents import begins_traceback, is_exception
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsers.unwrapping import CAPTURE_SHOWS
from rli_agent.printing import printed
from rli_agent.rulebook import packaged_rules

SOURCE = Source("logs/x.log", "trainer", packs=("problems",))
RULES = RuleSet([load_pack(packaged_rules() / "problems.yaml")], SOURCE, ["logs/x.log"])


def parser(state: ParserState | None = None) -> SourceParser:
    return SourceParser(SOURCE, RULES, timezone.utc, 1767312000.0, state)


def problems(text: str) -> list[dict[str, Any]]:
    reader = parser()
    return list(printed(reader.feed(text.encode(), 0, 1) + reader.flush()))


def told(text: str) -> list[tuple[int, str]]:
    return [(p["line"], p["kind"]) for p in problems(text)]


def prefixed(prefix: str, text: str) -> str:
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


PLAIN = """\
Traceback (most recent call last):
  File "/app/train.py", line 8, in <module>
    main()
  File "/app/train.py", line 120, in main
    loss.backward()
    ~~~~~~~~~~~~~^^
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.
"""

CHAINED = """\
Traceback (most recent call last):
  File "/app/client.py", line 3, in call
    return pool.get()
httpx.ReadTimeout

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/client.py", line 5, in call
    raise KeyError(name) from None
KeyError: 'reward'
"""


def test_a_traceback_is_one_problem_of_the_kind_of_its_exception() -> None:
    (problem,) = problems("ready\n" + PLAIN + "10:00:00    INFO going on\n")
    assert (problem["line"], problem["kind"], problem["level"]) == (2, "cuda_oom", "ERROR")
    assert problem["message"] == PLAIN.rstrip("\n")


def test_of_chained_exceptions_the_first_tells_the_kind_and_all_are_kept() -> None:
    (problem,) = problems(CHAINED)
    assert problem["kind"] == "timeout"
    assert problem["message"].endswith("KeyError: 'reward'")


def test_two_tracebacks_one_after_the_other_are_two() -> None:
    assert told(PLAIN + PLAIN) == [(1, "cuda_oom"), (8, "cuda_oom")]


def test_rays_wrappers_of_one_exception_are_one_problem() -> None:
    text = """\
Error executing job with overrides: ['trainer.total_epochs=1']
Traceback (most recent call last):
  File "/verl/trainer/main_ppo.py", line 57, in main
    run_ppo(config)
ray.exceptions.RayTaskError(OutOfMemoryError): ray::TaskRunner.run() (pid=59411, ip=10.10.34.5, repr=<a.B at 0x7f>)
  File "/verl/trainer/main_ppo.py", line 183, in run
    trainer.fit()
ray.exceptions.RayTaskError(OutOfMemoryError): ray::WorkerDict.update_actor() (pid=118848, ip=10.10.34.5)
  File "/verl/workers/fsdp_workers.py", line 500, in update_actor
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""
    assert told(text) == [(1, "cuda_oom")]


def test_rays_remote_frames_take_the_place_of_the_word_traceback() -> None:
    text = """\
2024-01-01 12:00:00,000\tERROR worker.py:409 -- Unhandled error: ray::Worker.generate() (pid=1, ip=10.0.0.1)
  File "/app/a.py", line 5, in f
    return g()
KeyError: 'x'

During handling of the above exception, another exception occurred:

ray::Worker.generate() (pid=1, ip=10.0.0.1)
  File "/app/a.py", line 7, in f
    raise ValueError("bad")
ValueError: bad
"""
    assert told(text) == [(1, "traceback")]


def test_an_actor_whose_creation_failed_has_the_kind_of_what_failed() -> None:
    text = """\
ray.exceptions.ActorDiedError: The actor died because of an error raised in its creation task, ray::W.__init__() (pid=1)
  File "/app/worker.py", line 4, in __init__
    self.build()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.
"""
    assert told(text) == [(1, "cuda_oom")]


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


def test_loguru_explains_values_in_boxes() -> None:
    text = """\
20:00:50   ERROR An error has been caught in function '_run', process 'MainProcess' (3366), thread 'MainThread' (140):
Traceback (most recent call last):

  File "/app/orchestrator.py", line 101, in map_exceptions
    yield
> File "/app/orchestrator.py", line 394, in handle
    resp = await self._pool.handle_async_request(req)
                 │    │     │                    └ <Request [b'POST']>
                 │    │     └ <function AsyncConnectionPool.handle_async_request at 0x7f9d5afe2fc0>
                 └ <Transport object at 0x7f>

httpx.ReadTimeout
20:00:51    INFO Reconnecting
"""
    assert told(text) == [(1, "timeout")]


def test_rich_draws_a_box_around_a_traceback() -> None:
    text = """\
╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /app/train.py:12 in main                                                     │
│ ❱ 12     model.step()                                                        │
╰──────────────────────────────────────────────────────────────────────────────╯
OSError: [Errno 28] No space left on device
"""
    assert told(text) == [(1, "disk_full")]


def test_a_group_of_exceptions_is_one_problem() -> None:
    text = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/o.py", line 5, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/o.py", line 9, in work
    | httpx.ConnectTimeout
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/o.py", line 9, in work
    | ValueError: x
    +------------------------------------
10:00:00    INFO going on
"""
    assert told(text) == [(1, "timeout")]


def test_the_traceback_of_a_spawned_process_stands_inside_its_parents() -> None:
    text = 'Traceback (most recent call last):\n  File "/app/t.py", line 5, in <module>\n    mp.spawn(main, nprocs=4)\n'
    text += (
        "torch.multiprocessing.spawn.ProcessRaisedException: \n\n-- Process 1 terminated with the following error:\n"
    )
    assert told(text + PLAIN) == [(1, "cuda_oom")]


def test_a_traceback_in_quotes_that_came_from_another_process_is_chained() -> None:
    text = 'multiprocessing.pool.RemoteTraceback: \n"""\n' + PLAIN + '"""\n\n'
    text += "The above exception was the direct cause of the following exception:\n\n" + PLAIN
    assert told(text) == [(3, "cuda_oom")]


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


def test_a_pasted_traceback_may_have_lost_its_indentation() -> None:
    text = "".join(f"{line.strip()}\n" for line in PLAIN.splitlines() if "~~" not in line)
    assert told(text) == [(1, "cuda_oom")]


def test_a_traceback_without_an_end_is_a_problem() -> None:
    torn = "".join(PLAIN.splitlines(keepends=True)[:4])
    assert told(torn) == [(1, "traceback")]
    assert told(torn + "10:00:00    INFO going on\n" * 50 + PLAIN) == [(1, "traceback"), (55, "cuda_oom")]
    said = "ERROR 11-21 10:00:00 [core.py:9] "  # vLLM's header, before every line
    assert told(f"{said}the method failed\n" + prefixed(said, torn)) == [(1, "traceback")]
    assert told(f"{said}the method failed\n") == [(1, "other")]


def test_an_error_without_a_word_is_none() -> None:
    blank = "(raylet) [2026-04-17 15:06:03,782 E 622 622] (raylet) node_manager.cc:3250:\n"
    assert told(blank + "ERROR 11-21 10:00:00 [core.py:9] \n") == []
    killed = "1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed at node\n"
    assert told(blank + killed) == [(2, "oom_kill")]


def test_a_traceback_of_ten_thousand_lines_keeps_its_ends_within_bounds() -> None:
    head, *_, last = PLAIN.splitlines()
    frames = "".join(f'  File "/app/deep.py", line {i}, in call\n    return call(depth + 1)\n' for i in range(5000))
    (problem,) = problems(f"{head}\n{frames}{last}\n")
    message = problem["message"]
    assert problem["kind"] == "cuda_oom"
    assert message.startswith(head)
    assert message.endswith(last)
    assert "lines left out]" in message
    assert len(message) < 40_000


def test_a_line_of_a_megabyte_is_cut() -> None:
    (problem,) = problems("RuntimeError: CUDA error: device-side assert triggered " + "x" * 1_000_000 + "\n")
    assert len(problem["message"]) < 40_000


def test_a_traceback_that_calls_itself_information_is_none_unless_it_is_grave() -> None:
    retry = "10:00:00    INFO Retrying after: "
    assert told(retry + CHAINED.replace("ReadTimeout", "ConnectError")) == []
    assert told(retry + PLAIN) == [(1, "cuda_oom")]


def test_a_warning_that_is_followed_by_a_traceback_is_an_error() -> None:
    (problem,) = problems("2023-02-15 12:53:55,788\tWARNING worker.py:1851 -- " + PLAIN)
    assert (problem["kind"], problem["level"]) == ("cuda_oom", "ERROR")


def test_a_death_that_is_told_first_does_not_swallow_the_traceback_below_it() -> None:
    text = "[2025-08-06 20:26:20] Received sigquit from a child process. It usually means the child failed.\n"
    text += "[2025-08-06 20:26:20 TP0] Scheduler hit an exception: " + PLAIN
    assert told(text) == [(1, "worker_death"), (2, "cuda_oom")]


def test_details_end_where_the_writer_goes_on() -> None:
    text = "RuntimeError: CUDA error: an illegal memory access was encountered\n"
    text += "CUDA kernel errors might be asynchronously reported at some other API call.\n"
    text += "frame #0: c10::Error::Error() + 0x96\n\n  Loss: 0.5\n"
    (problem,) = problems(text)
    assert problem["message"].endswith("frame #0: c10::Error::Error() + 0x96")


def test_a_json_record_may_hold_a_whole_traceback() -> None:
    record = '{"level": "error", "message": "worker failed", "exception": %s}\n'
    quoted = '"' + PLAIN.replace('"', '\\"').replace("\n", "\\n") + '"'
    (problem,) = problems(record % quoted)
    assert problem["kind"] == "cuda_oom"
    assert problem["message"].startswith("worker failed\nTraceback")


def test_exceptions_are_told_from_prose_and_code() -> None:
    names = ["KeyError: 'x'", "httpx.ReadTimeout", "KeyboardInterrupt", "a.f.<locals>.Bad: no", "zmq.error.Again: busy"]
    assert all(is_exception(name) for name in names)
    others = [
        "main()",
        "yield",
        "trainer.fit()",
        "done: 5",
        "Two words",
        "x = 1",
        "https://host/path",
        "step:5 - loss:1",
    ]
    assert not any(is_exception(other) for other in others)
    assert is_exception("ValueError: x", lost_indent=True)
    assert not is_exception("self.close", lost_indent=True)


def test_a_quoted_traceback_begins_nothing() -> None:
    assert begins_traceback("Traceback (most recent call last):")
    assert begins_traceback("Scheduler hit an exception: Traceback (most recent call last):")
    assert not begins_traceback("> Traceback (most recent call last):")
    assert not begins_traceback('output = "Traceback (most recent call last):')
    assert not begins_traceback("'Traceback (most recent call last):\\n  File'")


LINES = st.sampled_from(
    [
        *PLAIN.splitlines(),
        *CHAINED.splitlines(),
        "",
        "10:00:00    INFO going on",
        "10:00:00   ERROR lost",
        "12:00:00 WARNING request timed out",
        "terminate called after throwing an instance of 'c10::Error'",
        "  what():  CUDA error: out of memory",
        "frame #0: c10::Error::Error()",
        "ray.exceptions.RayTaskError(X): ray::A.b() (pid=1)",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "  exitcode  : -9 (pid: 14750)",
        "============================================================",
        "Exception ignored in: <x>",
        "asyncio.exceptions.CancelledError",
        "vllm.v1.engine.exceptions.EngineDeadError: look above",
        '{"level": "error", "message": "a\\nTraceback (most recent call last):\\n  File \\"x\\"\\nKeyError: 1"}',
        "plain words",
    ]
)
WRITERS = st.sampled_from(["", "[rank0]: ", "[rank1]: ", "(raylet) ", "(A pid=7) ", "3: "])
LOG = st.lists(st.tuples(WRITERS, LINES), max_size=40).map(
    lambda rows: [f"{who}{text}\n".encode() for who, text in rows]
)


def read_in_pieces(lines: list[bytes], cuts: list[bool]) -> list[Event]:
    """Feed the lines, with a new parser from the encoded state after every cut; behind the place up to which a prefix
    that all lines bear is looked for, in as many of them as there are at once."""
    events: list[Event] = []
    reader, piece, offset, number = parser(), b"", CAPTURE_SHOWS, 1
    for line, cut in zip(lines, cuts, strict=True):
        piece += line
        if cut:
            events += reader.feed(piece, offset, number)
            offset, number, piece = offset + len(piece), number + piece.count(b"\n"), b""
            reader = parser(ParserState.decode(reader.state.encode()))
    return events + reader.feed(piece, offset, number) + reader.flush()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_where_a_block_ends_changes_nothing(data: st.DataObject) -> None:
    lines = data.draw(LOG)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    assert read_in_pieces(lines, cuts) == read_in_pieces(lines, [False] * len(lines))


@settings(max_examples=100, deadline=None)
@given(LOG)
def test_no_problem_is_told_before_its_first_line_nor_twice_on_one(lines: list[bytes]) -> None:
    events = read_in_pieces(lines, [False] * len(lines))
    numbers = [event.line for event in events]
    assert all(1 <= number <= len(lines) for number in numbers)
    assert len(set(numbers)) == len(numbers)
