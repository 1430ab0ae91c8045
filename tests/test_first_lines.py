"""What a person reads first: the first line of `status` and `diagnose`, for the ways in which a run can end or hang."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent_process import Command
from prime_rl_logs import stamp, write_run
from receivers import until

import rli_agent.samples
from rli_agent.cli import main
from rli_agent.events import RolloutBatch
from rli_agent.life.evidence import in_short
from rli_agent.life.headline import headline
from rli_agent.life.wording import in_words
from rli_agent.rollout_statistics import RolloutStatistics

SAMPLES = Path(rli_agent.samples.__path__[0])
JOB = "slurmstepd: error: *** JOB 77 ON gpu-7 CANCELLED AT 2026-11-21T19:29:50"


def first_line(capsys: pytest.CaptureFixture[str], command: str, *arguments: object) -> str:
    main([command, *map(str, arguments)])
    return capsys.readouterr().out.split("\n")[0]


def verl_run(root: Path, ago: float) -> Path:
    """A run of verl that has done six of 14 steps, its console, which has no stamps, last written so long ago."""
    root.mkdir()
    lines = (SAMPLES / "verl" / "train.log").read_text().split("\n")
    last = next(number for number, line in enumerate(lines) if " step:6 - " in line)
    written(root / "train.log", "\n".join([*lines[: last + 1], ""]), ago)
    return root


def written(path: Path, text: str, ago: float) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - ago, time.time() - ago))


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (f"{JOB} DUE TO PREEMPTION ***", "preempted at step 6 of 14: SLURM ended job 77 on gpu-7 for preemption"),
        (f"{JOB} DUE TO TIME LIMIT ***", "cancelled at step 6 of 14: SLURM ended job 77 on gpu-7 for time limit"),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=77.0. Some of the step tasks have been OOM Killed.",
            "failed at step 6 of 14: host out of memory: SLURM killed a process of step 77.0",
        ),
    ],
)
def test_what_the_scheduler_wrote_last_is_the_answer_also_where_the_console_has_no_times(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, answer: str
) -> None:
    run = verl_run(tmp_path / "run", ago=410.0)
    written(run / "slurm-77.out", f"{line}\n", ago=400.0)
    main(["status", "--state-dir", str(tmp_path / "state"), str(run)])
    told = capsys.readouterr().out.split("\n")
    assert told[0].startswith(f"Down: {answer} (slurm-77.out:1, ")
    assert told[1] == f"what came first, and what to do: rli-agent diagnose {run}", "the answer is not repeated"


@pytest.mark.parametrize(
    ("exception", "answer"),
    [("KeyError: 3", "may have failed"), ("KeyboardInterrupt", "may have been cancelled")],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_console_that_ends_in_a_traceback_may_be_that_of_a_run_that_is_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, exception: str, answer: str, goes_on: bool
) -> None:
    run = verl_run(tmp_path / "run", ago=1.0)
    console = (run / "train.log").read_text()
    end = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n' + f"{exception}\n"
    step = console.rstrip("\n").rpartition("\n")[2].replace("step:6 ", "step:7 ")
    written(run / "train.log", f"{console}{end}{step + chr(10) if goes_on else ''}", ago=1.0)
    main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)])
    told = capsys.readouterr().out.rstrip("\n").rpartition("\n")[2]
    assert told.startswith(f"{answer} at step 6 of 14: {exception} (train.log:") != goes_on, told


def test_what_a_scheduler_wrote_before_the_last_steps_is_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = verl_run(tmp_path / "run", ago=5.0)
    written(run / "slurm-76.out", f"{JOB} DUE TO PREEMPTION ***\n", ago=4000.0)
    assert first_line(capsys, "status", "--state-dir", tmp_path / "state", run).startswith("Healthy: step 6 of 14")


def test_a_console_that_no_pack_knows_is_over_where_it_says_so_and_else_may_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    steps = "".join(f"step {number} | loss 0.5 | reward 0.25\n" for number in range(1, 31))
    run, prose = tmp_path / "figures", tmp_path / "prose"
    run.mkdir()
    prose.mkdir()
    written(run / "train.log", steps, ago=90_000.0)
    assert first_line(capsys, "status", run).startswith("Down: stalled or over: no progress for 1 d 1 h, at step 30")
    written(run / "train.log", f"{steps}Training complete.\n", ago=90_000.0)
    assert first_line(capsys, "status", run).startswith("Healthy: finished: step 30, reward 0.25, ended ")
    written(prose / "train.log", "All is well.\n", ago=90_000.0)
    said = "no line tells of a step, a state or a problem; last written 1 d 1 h ago"
    assert first_line(capsys, "status", prose).startswith(f"Unknown: train.log: {said}")


@pytest.mark.real
def test_a_watch_of_a_run_that_has_been_silent_for_hours_begins_with_that(tmp_path: Path) -> None:
    run = verl_run(tmp_path / "run", ago=5 * 3600.0)
    agent = Command(tmp_path, "watch", "--listen", "none", "--plain", "--state-dir", tmp_path / "state", run)
    try:
        until(lambda: "of 14" in agent.output, "a status line")
        said = [line for line in agent.output.split("\n") if "of 14" in line]
        assert said[0].startswith("no step for 5 h (usually every "), said
    finally:
        agent.kill()


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root reads everything")
@pytest.mark.parametrize("command", ["status", "diagnose"])
def test_a_log_that_may_not_be_read_is_the_first_thing_to_know(tmp_path: Path, command: str) -> None:
    run = write_run(tmp_path / "run")
    (run / "logs" / "trainer.log").chmod(0)
    powers = "-dac_override,-dac_read_search"
    bound = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}"] if os.geteuid() == 0 else []
    line = [*bound, sys.executable, "-m", "rli_agent", command, str(run)]
    told = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)}, check=False)
    assert told.stdout.removeprefix("Degraded: ").startswith("trainer.log cannot be read: Permission denied; "), told


def test_an_engines_log_alone_is_said_to_be_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    engine = (
        "INFO 05-08 15:30:20 [loggers.py:111] Engine 000: Avg prompt throughput: 753.3 tokens/s, Avg generation "
        "throughput: 141.3 tokens/s, Running: 33 reqs, Waiting: 6 reqs, GPU KV cache usage: 10.6%, Prefix cache hit "
        "rate: 4.2%\n"
    )
    (tmp_path / "run").mkdir()
    written(tmp_path / "run" / "inference.log", engine, ago=20.0)
    told = first_line(capsys, "status", "--state-dir", tmp_path / "state", tmp_path / "run")
    assert told == "Healthy: no step seen yet, only figures of inference"


def test_an_evaluation_without_a_line_for_long_is_degraded_and_the_diagnosis_begins_with_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", ago=1500.0)
    log = run / "logs" / "orchestrator.log"
    stamped = stamp(time.time() - 1500.0)
    written(log, log.read_text() + f"{stamped}    INFO Running evals at ckpt_step=30 [math] on 8 examples\n", 1500.0)
    main(["status", "--state-dir", str(tmp_path / "state"), str(run)])
    told = capsys.readouterr().out.split("\n")
    assert told[0].startswith("Degraded: step 30 of 100, orchestrator in eval for 25 min"), told
    assert "nothing was written for 25 min, with orchestrator in eval" in told[1]
    assert first_line(capsys, "diagnose", run) == (
        "nothing was written for 25 min, at step 30 of 100, orchestrator in eval for 25 min; no problem is in the logs"
    )


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        (
            "nccl",
            "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, "
            "NumelOut=1, Timeout(ms)=600000) ran for 600060 milliseconds before timing out.",
            "NCCL timeout: rank 3 waited 10 min in ALLREDUCE",
        ),
        (
            "nccl",
            f"[PG ID 6 PG GUID 90({'PIPELINE_' * 30}GROUP) Rank 1] Process group watchdog thread terminated with "
            "exception: [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=COALESCED, "
            "NumelIn=1, Timeout(ms)=600000) ran for 600096 milliseconds before timing out.\nframe #0: c10::Error",
            "NCCL timeout: rank 1 waited 10 min in COALESCED",
        ),
        (
            "traceback",
            'Traceback (most recent call last):\n  File "/lustre/project/slime/train.py", line 66, in train\n    go()\n'
            '  File "/usr/lib/python3.12/ray/worker.py", line 2981, in get',
            "an exception whose name is missing, raised below slime/train.py:66 in train",
        ),
        (
            "traceback",
            'Scheduler hit an exception: Traceback (most recent call last):\n  File "s.py", line 3, in run',
            "Scheduler hit an exception: raised at s.py:3 in run",
        ),
        (
            "traceback",
            'Traceback (most recent call last):\n  File "a.py", line 1\n'
            "ray.exceptions.RayTaskError(ImportError): ray::main() (pid=1)",
            "ray.exceptions.RayTaskError(ImportError): ray::main() (pid=1)",
        ),
        ("cuda_oom", "torch.OutOfMemoryError: CUDA out of memory.", "torch.OutOfMemoryError: CUDA out of memory."),
        ("traceback", 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 3', "KeyError: 3"),
    ],
)
def test_a_problem_is_told_in_plain_words(kind: str, message: str, said: str) -> None:
    assert in_short(kind, message) == said


GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 5, in <module>
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "x.py", line 3, in f
    | ValueError: empty batch
    +------------------------------------"""


def test_of_a_headline_that_ends_in_a_traceback_the_exception_is_told() -> None:
    message = 'Scheduler hit an exception: Traceback (most recent call last):\n  File "s.py", line 2\nValueError: no'
    assert in_short("traceback", message) == "ValueError: no"


def test_of_a_group_and_of_richs_box_the_exception_is_told() -> None:
    assert headline(GROUP) == "ValueError: empty batch"
    box = "╭── Traceback (most recent call last) ──╮\n│ a.py:10 in f │\n╰──╯\n"
    assert headline(f"{box}ValueError: 3") == "ValueError: 3"


def test_of_rays_wrapper_the_cause_is_told_and_the_wrapper_where_there_is_nothing_else() -> None:
    wrapper = "ray.exceptions.RayTaskError(ActorDiedError): ray::Runner.run() (pid=4, ip=10.0.0.1)"
    assert headline(f'{wrapper}\n  File "a.py", line 5, in run\nValueError: 3') == "ValueError: 3"
    for first in ("Unhandled error (suppress with 'X=1')", "Exception raised in creation task: The actor died in"):
        assert headline(f'{first}: ray::A.run()\n  File "a.py", line 5\nValueError: 3') == "ValueError: 3"
    assert headline(f'Traceback (most recent call last):\n  File "a.py", line 5\n{wrapper}\n  File') == wrapper


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('[{"type":"TimeoutError","message":"no answer within 2.0s"}]', "TimeoutError: no answer within 2.0s"),
        ('{"error": "ToolError", "message": "exit code 1"}', "exit code 1"),
        ('{"step": 3}', '{"step": 3}'),
    ],
)
def test_an_error_in_a_record_is_told_as_its_program_would(record: str, said: str) -> None:
    assert headline(record) == said


def test_a_run_whose_console_draws_only_its_bar_is_where_the_bar_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"(TaskRunner pid=1) Training Progress: {n}%|#  | {n}/100 [{n}:00<9:00:00, 60.00s/it]" for n in range(34)]
    (tmp_path / "train.log").write_text("\n".join(["(TaskRunner pid=1) using verl.trainer", *lines, ""]))
    assert first_line(capsys, "diagnose", tmp_path).endswith("at step 33 of 100 by its bar")
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(tmp_path)]) == 0
    assert capsys.readouterr().out.rstrip().split("\n")[-1] == "step 33 of 100 by its bar"


def test_torchrun_that_knows_no_more_names_who_died() -> None:
    message = (
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n=====\ntrain.py FAILED\n-----\n"
        "Root Cause (first observed failure):\n[0]:\n  host      : gpu-7\n  rank      : 2 (local_rank: 2)\n"
    )
    assert in_short("traceback", message) == "torchrun's first failure: rank 2 on gpu-7"


@pytest.mark.parametrize(("ago", "answer"), [(40.0, "may have failed before the first step: "), (5.0, "starting: ")])
def test_a_run_that_dies_before_its_first_step_may_have_failed_and_has_no_checkpoint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ago: float, answer: str
) -> None:
    """As TRL on transformers 5.23 says that it has no such model."""
    run = tmp_path / "run"
    run.mkdir()
    frame = '  File "/opt/trl/trainer/utils.py", line 1354, in create_model_from_path\n    config = AutoConfig'
    error = "OSError: Repo id must use alphanumeric chars"
    written(run / "train.log", f"Traceback (most recent call last):\n{frame}\n{error}\n", ago)
    assert first_line(capsys, "status", "--state-dir", tmp_path / "state", run).startswith(f"Degraded: {answer}")
    main(["diagnose", "--state-dir", str(tmp_path / "state"), str(run)])
    assert capsys.readouterr().out.rstrip().endswith("Look at the first problem, then start it again.")


@pytest.mark.parametrize(("environment", "said"), [("math", "rollouts of math for"), ("", "rollouts for")])
def test_rollouts_are_of_an_environment_or_of_none(environment: str, said: str) -> None:
    """TRL's have none."""
    batch = RolloutBatch("c.parquet", 1, 0, 1.0, "observed", 3, "train", environment, RolloutStatistics(8))
    assert in_words(batch) == f"8 train {said} step 3"


def test_a_run_that_may_be_over_is_not_called_healthy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(time.time() - 1.0))
    said = ("   INFO Starting orchestrator process", "WARNING Received SIGTERM, terminating all processes...")
    logs = tmp_path / "run" / "logs"
    logs.mkdir(parents=True)
    written(logs / "launcher.log", "".join(f"{at} {line}\n" for line in said), ago=1.0)
    line = first_line(capsys, "status", "--framework", "prime-rl", "--state-dir", tmp_path / "state", logs.parent)
    assert line.startswith("Degraded: may have been cancelled before the first step: Received SIGTERM")
