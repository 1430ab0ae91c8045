"""The problems pack: its examples hold, and what it must leave alone it leaves alone."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import pytest

from rli_agent.events import Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.printing import printed
from rli_agent.rulebook import packaged_rules

PACK = load_pack(packaged_rules() / "problems.yaml")


def problems(text: str, role: str = "trainer", pack: Pack = PACK) -> list[dict[str, Any]]:
    source = Source("logs/x.log", role, packs=(pack.pack,))
    parser = SourceParser(source, RuleSet([pack], source, ["logs/x.log"]), timezone.utc, 1767312000.0)
    events = parser.feed(text.encode(), 0, 1) + parser.flush()
    return [said for said in printed(events) if said["type"] == "problem"]


def kinds(text: str, role: str = "trainer") -> list[str]:
    return [p["kind"] for p in problems(text, role)]


def test_every_kind_of_problem_has_a_rule() -> None:
    named = {r.problem.kind for r in PACK.rules if r.problem is not None}
    assert named == {
        "cuda_oom", "nccl", "nan", "timeout", "oom_kill", "env_error", "ckpt", "weight_sync", "job_preempted",
        "kv_preemption", "disk_full", "worker_death", "hardware", "traceback", "other",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "10:00:01    INFO rollouts: 128 ok, 0 errors, 0 timeouts",
        "step:12 - reward/format_error_penalty/mean:-0.12 - timing_s/testing:0.0",
        "'truncation': 'error', 'nccl_timeout': 600, 'on_oom': 'Killed'",
        "Error handling: enabled; on_error=retry; max_errors=10",
        '{"step": 3, "error": null, "errors": 0, "nan_count": 0}',
        "Failed rollouts this step: 0 / 256",
        "100%|██████████| 500/500 [errors=0, nan=0]",
        "Dataset: /data/nano/inf/Nancy_finance.parquet (nan_policy=propagate, inf_check=True)",
        "{'eval_reward': inf, 'reward_std': nan, 'note': 'temperature=inf allowed'}",
        "skipped iterations: 0 | number of nan iterations:   0 |",
        '[2025-12-10 08:00:02] INFO:     127.0.0.1:4411 - "GET /errors/500.html HTTP/1.1" 200 OK',
        'INFO:     10.0.0.5:41003 - "GET /get_load HTTP/1.1" 404 Not Found',
        'INFO:     10.0.0.5:41003 - "POST /update_weights HTTP/1.1" 200 OK',
        'INFO:     10.0.0.1:5 - "POST /abort_request HTTP/1.1" 200 OK',
        "[rank3]:[W1130 12:09:02.410 ProcessGroupNCCL.cpp:1538] Warning: WARNING: destroy_process_group() was not",
        "WARNING 06-11 08:00:02 [config.py:1770] default sampling parameters have been overridden",
        "WARNING 06-11 08:00:02 [executor_base.py:193] Executor is not sleeping.",
        "[W socket.cpp:464] [c10d] The server socket cannot be initialized (errno: 97 - Address family).",
        "[2024-03-05 11:22:33,444] [INFO] [loss_scaler.py:190:update_scale] [deepspeed] OVERFLOW! Rank 0 "
        "Skipping step.",
        "wandb: WARNING Serializing object of type str that is 146582 bytes",
        "/x/dataloader.py:617: UserWarning: This DataLoader will create 16 worker processes in total.",
        'Prompt: Who is Killed? Completion: The kernel prints "Out of memory: Killed process 1234 (python)".',
        "> Traceback (most recent call last):",
        'tool: "Traceback (most recent call last):\\n  File \\"x.py\\", line 1\\nKeyError: 1"',
        "DEBUG: TimeoutError is handled by the retry wrapper (attempt 1/3)",
        "srun: Job step aborted: Waiting up to 47 seconds for job step to finish.",
        "slurmstepd: error: Failed to send MESSAGE_TASK_EXIT: Connection refused",
        "[  +0.000316] pcieport 0000:00:03.0: AER: Corrected error received: 0000:00:03.0",
        "12:00:00 WARNING No checkpoints found in outputs/checkpoints. Starting from scratch.",
    ],
)
def test_harmless_lines_are_no_problems(line: str) -> None:
    assert problems(line + "\n") == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("(WorkerDict pid=7) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.", "cuda_oom"),
        ("RuntimeError: CUDA driver error: out of memory", "cuda_oom"),
        ("ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.", "oom_kill"),
        ("srun: error: node[3-4]: tasks 1,3: Out Of Memory", "oom_kill"),
        ("[1]+  Killed                  python train.py", "oom_kill"),
        ("slurmstepd-n1: error: *** STEP 1.0 ON n1 CANCELLED AT 2025-01-01T00:00:00 DUE TO PREEMPTION",
        "job_preempted"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk_full"),
        ("subprocess.TimeoutExpired: Command 'x' timed out after 5 seconds", "timeout"),
        ("openai.APITimeoutError: Request timed out.", "timeout"),
        ("_pickle.UnpicklingError: invalid load key", "ckpt"),
        ("ERROR:root:Error while broadcasting weights: peer gone", "weight_sync"),
        ("ncclRemoteError: A call failed possibly due to a network error", "nccl"),
        ("NVRM: Xid (PCI:0000:44:00): 119, pid=1, Timeout waiting for RPC from GSP!", "hardware"),
        ("concurrent.futures.process.BrokenProcessPool: A process was terminated abruptly", "worker_death"),
    ],
)  # fmt: skip
def test_other_wordings_of_the_same_failures(line: str, kind: str) -> None:
    assert kinds(line + "\n") == [kind]


def test_an_unknown_error_is_other_and_in_an_environment_its_own() -> None:
    line = "12:00:00   ERROR the scheduler lost its marbles\n"
    assert kinds(line) == ["other"]
    assert kinds(line, role="env") == ["env_error"]


def test_only_grave_words_count_at_info() -> None:
    assert kinds("12:00:00    INFO a worker exited unexpectedly and was restarted\n") == []
    assert kinds("12:00:00    INFO CUDA out of memory. Tried to allocate 2 GiB: halving the batch\n") == ["cuda_oom"]


def test_levels_follow_the_line_where_the_rule_says_so() -> None:
    (told,) = problems("12:00:00 WARNING request to engine 3 timed out\n")
    assert (told["kind"], told["level"]) == ("timeout", "WARNING")
    (lost,) = problems("NVRM: Xid (PCI:0000:44:00): 79, GPU has fallen off the bus\n")
    assert (lost["kind"], lost["level"]) == ("hardware", "CRITICAL")


def test_a_consequence_alone_is_a_problem_and_after_its_cause_none() -> None:
    launcher = (
        "E0325 20:57:27.620000 2606 torch/x/api.py:869] failed (exitcode: 1) local_rank: 0 (pid: 2) of binary: p\n"
    )
    assert kinds(launcher) == ["worker_death"]
    assert kinds("RuntimeError: CUDA error: device-side assert triggered\n" + launcher) == ["traceback"]
    warned = "12:00:00 WARNING request to engine 3 timed out\n"
    assert kinds(warned + launcher) == ["timeout", "worker_death"]


def test_a_consequence_far_from_any_cause_is_told() -> None:
    quiet = "12:00:00    INFO working\n" * 50
    died = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.\n"
    cause = "RuntimeError: CUDA error: device-side assert triggered\n"
    assert kinds(cause + died) == ["traceback"]
    assert kinds(cause + quiet + died) == ["traceback", "worker_death"]
