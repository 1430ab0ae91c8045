"""One incident, however many lines it takes: the grammar of tracebacks."""

from __future__ import annotations

from incident_logs import CHAINED, PLAIN, prefixed, problems, told

from rli_agent.parsers.incidents import begins_traceback, is_exception


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
