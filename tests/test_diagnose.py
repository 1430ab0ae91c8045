"""Runs that failed or hang, as their logs tell: the first line says why, and what followed is folded under it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from agent_process import query
from click.testing import CliRunner
from prime_rl_logs import clock, step

from rli_agent.cli import group
from rli_agent.diagnose.case import Case
from rli_agent.diagnose.report import diagnosis
from rli_agent.errors import UserError
from rli_agent.life.state import LifeState
from rli_agent.samples.make_samples import make

START = f"{clock(30000)}    INFO Starting RL trainer\n{clock(30000)}    INFO Starting training loop (max_steps=90)\n"
STEPS = START + "".join(step(n, 30000 + 60 * n) for n in range(1, 6))


def run(folder: Path, **files: str) -> Path:
    """A run's directory; `a__b` is the file logs/a/b.log. Its files were last written an hour ago."""
    for name, text in files.items():
        file = folder / "logs" / f"{name.replace('__', '/')}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (time.time() - 3600,) * 2)
    return folder


def diagnose(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(group, ["diagnose", "--json", "--zone", "UTC", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return dict(json.loads(result.stdout))


def shown(*arguments: object) -> str:
    result = CliRunner().invoke(group, ["diagnose", "--zone", "UTC", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.55 GiB. GPU 5 has a total capacity of 79.10 GiB "
    "of which 10.62 GiB is free. Process 4711 has 20.00 GiB memory in use. Including non-PyTorch memory, this process "
    "has 48.47 GiB memory in use. Of the allocated memory 40.00 GiB is allocated by PyTorch, and 7.12 GiB is reserved "
    "by PyTorch but unallocated.\n"
)
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in f\n    loss.backward()\n'


def test_out_of_memory_on_one_rank_is_told_before_what_the_others_say_of_it(tmp_path: Path) -> None:
    trouble = f"{clock(30330)}   ERROR Fatal error in train\n{TRACEBACK}{OOM}"
    others = (
        f"{clock(30331)}    INFO Waiting\n{clock(30340)}   ERROR Fatal error in orchestrate\n"
        'Traceback (most recent call last):\n  File "o.py", line 3, in f\n    g()\nhttpx.ReadTimeout\n'
    )
    told = diagnose(run(tmp_path, trainer=STEPS + trouble, orchestrator=others))
    assert told["answer"].startswith(
        "failed, at step 5 of 90: trainer: GPU out of memory: it asked for 18.55 GiB on GPU 5; 10.62 GiB of 79.10 GiB "
        "were free (logs/trainer.log:8"
    )
    assert told["cause"]["kind"] == "cuda_oom"
    assert "process 4711 held 20.00 GiB of that GPU" in told["cause"]["evidence"]
    assert "raised at train.py:3 in f" in told["cause"]["evidence"]
    assert [(c["kind"], c["after_s"]) for c in told["followed"]] == [("timeout", 10.0)]
    assert told["do"].startswith("Lower the micro-batch")


def watchdog(rank: int, number: int, stamp: str, operation: str = "ALLREDUCE", ran: int = 600_000) -> str:
    return (
        f"[rank{rank}]:[E1121 {stamp} ProcessGroupNCCL.cpp:632] [Rank {rank}] Watchdog caught collective operation "
        f"timeout: WorkNCCL(SeqNum={number}, OpType={operation}, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for "
        f"{ran} milliseconds before timing out.\n"
    )


def test_the_rank_that_printed_no_timeout_is_named(tmp_path: Path) -> None:
    ranks = "".join(watchdog(rank, 1580, f"09:00:0{rank}.000000000") for rank in range(8) if rank != 3)
    told = diagnose(run(tmp_path, trainer=ranks))
    assert "rank 3 did not come to ALLREDUCE number 1580: ranks 0-2 and 4-7 waited 10 min" in told["answer"]
    assert told["cause"]["evidence"][1] == "rank 3 printed none"


def test_of_a_thousand_ranks_the_missing_one_is_found_beyond_what_a_message_holds(tmp_path: Path) -> None:
    ranks = "".join(watchdog(rank, 7, "09:00:01.000000000") for rank in range(1024) if rank != 700)
    told = diagnose(run(tmp_path, trainer=ranks))
    assert "rank 700 did not come to ALLREDUCE number 7: ranks 0-699 and 701-1023 waited" in told["answer"]


def test_a_rank_at_an_earlier_operation_is_named(tmp_path: Path) -> None:
    ranks = {
        f"rank{rank}": watchdog(rank, 99 if rank == 2 else 100, "09:00:01.000000000", "_ALLGATHER_BASE")
        for rank in range(4)
    }
    told = diagnose(run(tmp_path, **ranks))
    assert "rank 2 not at _ALLGATHER_BASE number 100, in which ranks 0-1 and 3 waited 10 min" in told["answer"]


def test_what_a_rank_died_of_when_the_others_began_to_wait_is_the_cause(tmp_path: Path) -> None:
    died = f"2026-11-21 08:50:01,000 - root - ERROR - rank 2 fails\n{TRACEBACK}RuntimeError: shape mismatch\n"
    ranks = "".join(watchdog(rank, 7, "09:00:01.000000000") for rank in (0, 1, 3))
    told = diagnose(run(tmp_path, trainer=died + ranks))
    assert "RuntimeError: shape mismatch" in told["answer"]
    assert "rank 2 printed none" in told["cause"]["evidence"]
    assert [c["kind"] for c in told["followed"]] == ["nccl"]


def test_of_chained_exceptions_the_first_is_the_root(tmp_path: Path) -> None:
    library = '  File "/usr/lib/python3.11/site-packages/torch/nn.py", line 9, in forward\n    x\n'
    chained = (
        f"{clock(30330)}   ERROR Fatal\n{TRACEBACK}{library}ValueError: bad batch\n\nThe above exception was the "
        "direct cause of the following exception:\n\nTraceback (most recent call last):\n"
        '  File "main.py", line 9, in main\n    run()\nRuntimeError: training failed\n'
    )
    told = diagnose(run(tmp_path, trainer=STEPS + chained))
    assert "trainer: RuntimeError: training failed" in told["answer"]
    assert told["cause"]["evidence"] == ["first raised was ValueError: bad batch", "raised below train.py:3 in f"]


@pytest.mark.parametrize("said", ["OSError: [Errno 28] No space left on device", "TimeoutError: no answer"])
def test_what_nobody_caught_ended_the_run_whatever_its_kind(tmp_path: Path, said: str) -> None:
    told = diagnose(run(tmp_path / "a", trainer=f"{STEPS}{TRACEBACK}{said}\n"))
    assert (told["life"], told["cause"]["text"]) == ("failed", said)
    logged = diagnose(run(tmp_path / "b", trainer=f"{STEPS}{clock(30400)}   ERROR {said}\n"))
    assert logged["life"] != "failed"


def test_the_kernels_word_comes_before_the_launchers(tmp_path: Path) -> None:
    elastic = (
        "E1121 09:00:01.000000 77 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: -9) "
        "local_rank: 3 (pid: 812917) of binary: /usr/bin/python\n"
    )
    told = diagnose(run(tmp_path, trainer=elastic))
    assert told["cause"]["kind"] == "oom_kill"
    assert told["cause"]["evidence"][:2] == [
        "it was local rank 3 (pid 812917)",
        "exit code -9: SIGKILL: somebody killed it, often the kernel for memory",
    ]
    kernel = (
        "[11.2] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),task=python3,pid=25315,uid=0\n"
        "[11.3] Memory cgroup out of memory: Killed process 25315 (python3) total-vm:53312244kB, anon-rss:31451456kB, "
        "file-rss:0kB\n"
    )
    told = diagnose(run(tmp_path / "other", dmesg=kernel))
    assert "host out of memory: the kernel killed python3 (pid 25315), which held 30.0 GiB" in told["answer"]
    assert any("cgroup" in line for line in told["cause"]["evidence"])


def test_what_a_dead_process_wrote_itself_comes_before_rays_news_of_its_death(tmp_path: Path) -> None:
    died = "(raylet) A worker died or was killed while executing a task by an unexpected system error. Worker PID: 7\n"
    words = "".join(f"(WorkerDict pid=PID) {line}\n" for line in [*TRACEBACK.splitlines(), "RuntimeError: no pool"])
    text = "(TaskRunner pid=1) verl.trainer\n" + died + words.replace("PID", "8") + words.replace("PID", "7")
    said = diagnose(run(tmp_path, train=text))
    assert "WorkerDict (pid 7): RuntimeError: no pool" in said["answer"]
    assert {c["kind"] for c in said["followed"]} == {"worker_death", "traceback"}


def test_figures_of_memory_before_an_end_for_memory_are_shown(tmp_path: Path) -> None:
    log = "".join(
        f"step:{n} - actor/pg_loss:0.1 - perf/cpu_memory_used_gb:{100 + 20 * n} - timing_s/step:60.0\n"
        for n in range(1, 8)
    )
    log += (
        "\x1b[36m(raylet)\x1b[0m [2026-11-21 09:00:00,000 E 11 11] (raylet) node_manager.cc:3064: 12 Workers (tasks / "
    )
    log += "actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons at node (ID: b8, IP: "
    log += "172.31.105.218) over the last time period.\n"
    told = diagnose(run(tmp_path, train=log), "--framework", "verl")
    assert told["memory"] == [
        "perf/cpu_memory_used_gb: 160 (step 3), 180 (step 4), 200 (step 5), 220 (step 6), 240 (step 7)"
    ]
    assert "Ray killed 12 workers on 172.31.105.218" in told["answer"]


def test_a_hang_says_what_each_role_said_last(tmp_path: Path) -> None:
    told = diagnose(run(tmp_path, trainer=STEPS, orchestrator=f"{clock(30200)} SUCCESS Step 3 | 5.5s | Reward 0.5\n"))
    assert told["answer"].startswith("stalled: no progress for 1 h, at step 5 of 90")
    assert "nothing was written for 1 h" in told["answer"]
    assert [line.split(":")[0] for line in told["last_said"]] == ["orchestrator", "trainer"], "the longest silent first"
    assert "last step 1 h ago, usually every 60 s" in told["state"]


def test_a_run_that_is_well_and_one_that_is_over_say_so(tmp_path: Path) -> None:
    make(tmp_path / "samples")
    assert diagnose(tmp_path / "samples" / "prime-rl")["answer"] == "finished, at step 12 of 12"
    folder = run(tmp_path / "young", trainer=STEPS)
    os.utime(folder / "logs" / "trainer.log")
    assert diagnose(folder)["answer"].startswith("nothing is known to be wrong: running, at step 5 of 90")


def test_problems_that_end_no_run_are_listed(tmp_path: Path) -> None:
    nan = step(6, 30360).replace("Loss 0.0060", "Loss nan")
    told = diagnose(run(tmp_path, trainer=STEPS + nan + nan.replace("Step 6", "Step 7")))
    assert told["answer"].startswith("stalled")
    assert [(p["kind"], p["count"]) for p in told["problems_seen"]] == [("nan", 2)]


def test_the_first_line_on_a_run_that_goes_on_names_its_nan(tmp_path: Path) -> None:
    nans = "".join(step(n, 30000 + 60 * n).replace("Loss 0.00", "Loss nan #") for n in (6, 7))
    folder = run(tmp_path, trainer=STEPS + nans.replace("nan #60", "nan").replace("nan #70", "nan"))
    os.utime(folder / "logs" / "trainer.log")
    assert diagnose(folder)["answer"].startswith("running, at step 7 of 90, but: NaN since step 6: ")
    with (folder / "logs" / "trainer.log").open("a") as log:
        log.write(step(8, 30480))
    assert diagnose(folder)["answer"].startswith("running, at step 8 of 90, but: NaN at step 7: ")


def test_what_moved_a_moment_ago_does_not_lack_progress() -> None:
    """Copied logs: their stamps are old, the other files are new."""
    now = 1_795_000_000.0
    state = LifeState("stalled", step=4, step_at=now - 86_400, progress_at=now - 1.2, facts={"max_steps": "7"})
    told = diagnosis(Case(state, [], {}, now), None)
    assert (told.life, told.answer) == ("running", "running, at step 4 of 7; the last step is logged 1 d ago")
    assert not told.todo
    state.progress_at = now - 601
    assert diagnosis(Case(state, [], {}, now), None).life == "stalled"


def test_a_directory_of_several_runs_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    result = CliRunner().invoke(group, ["diagnose", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert " holds " in str(result.exception)
    assert result.exception.hint == "name one run's directory"


def test_what_ended_an_earlier_attempt_is_told_after_the_present_state(tmp_path: Path) -> None:
    again = f"{clock(31000)}    INFO Resuming training from checkpoint step 2\n" + "".join(
        step(n, 31000 + 60 * n) for n in range(3, 6)
    )
    told = diagnose(run(tmp_path, trainer=STEPS + f"{clock(30330)}   ERROR Fatal\n{TRACEBACK}{OOM}" + again))
    assert told["life"] == "stalled"
    (before,) = told["attempts_before"]
    assert before.startswith("attempt 1 ended after step 5: GPU out of memory: it asked for 18.55 GiB on GPU 5")


def test_the_answer_stands_first_and_nothing_of_a_log_is_obeyed(tmp_path: Path) -> None:
    trouble = f"{clock(30330)}   ERROR \x1b]0;owned\x07 Fatal {'x' * 100_000}\n{TRACEBACK}{OOM}"
    text = shown(run(tmp_path, trainer=STEPS + trouble))
    assert text.startswith("failed, at step 5 of 90: trainer: GPU out of memory")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 500
    assert "\nDo: Lower the micro-batch" in text


def test_a_store_tells_the_same_when_the_logs_are_gone(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", trainer=STEPS + f"{clock(30330)}   ERROR Fatal\n{TRACEBACK}{OOM}")
    watch = [
        "watch",
        "--once",
        "--listen",
        "none",
        "--zone",
        "UTC",
        "--state-dir",
        str(tmp_path / "state"),
        str(folder),
    ]
    assert CliRunner().invoke(group, watch).exit_code == 0
    assert query(tmp_path, "SELECT kind FROM problems") == [("cuda_oom",)]
    (store,) = tmp_path.glob("state/runs/*/run.sqlite")
    (folder / "logs" / "trainer.log").unlink()
    told = diagnose(store)
    assert told["answer"].startswith("failed, at step 5 of 90: trainer: GPU out of memory: it asked for 18.55 GiB")
    assert told["memory"][0].startswith("perf/peak_memory: ")


@pytest.mark.parametrize("name", ["gone", "empty", "junk.log", "prose.log", "junk.sqlite", "other.sqlite"])
def test_what_tells_of_no_run_is_said_to(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.log").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "junk.sqlite").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 100)
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as db:
        db.execute("CREATE TABLE t (x)")
    (tmp_path / "prose.log").write_text("Dear diary\n")
    result = CliRunner().invoke(group, ["diagnose", str(tmp_path / name)])
    assert isinstance(result.exception, UserError)
    assert name in str(result.exception)


def test_a_dump_of_a_process_is_taken_where_py_spy_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(tmp_path / "run", trainer=STEPS)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(group, ["diagnose", str(folder), "--py-spy", "1"])
    assert str(result.exception) == "py-spy is not installed"
    tool = tmp_path / "py-spy"
    tool.write_text(
        f"#!{sys.executable}\nimport sys\nprint('Thread 0x1 (idle)', *sys.argv[1:])\nsys.exit(sys.argv[3] == '2')\n"
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert diagnose(folder, "--py-spy", "77")["stacks"] == "Thread 0x1 (idle) dump --pid 77"
    failed = CliRunner().invoke(group, ["diagnose", str(folder), "--py-spy", "2"])
    assert "py-spy cannot read process 2" in str(failed.exception)
