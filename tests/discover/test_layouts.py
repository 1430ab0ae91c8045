"""Which role each file has in the layouts that the frameworks write."""

from __future__ import annotations

from pathlib import Path

from run_trees import (
    ENGINE,
    EPISODE,
    GOOD,
    INFO,
    ORCHESTRATOR,
    SFT,
    TRAINER_G2,
    TRAINER_G3,
    VERL_START,
    VERL_STEP,
    by_file,
    roles,
    skipped,
    write,
)

from rli_agent.discover import Discovery
from rli_agent.parsers.packs import Pack


def test_prime_rl_with_stdout_files_reads_each_line_once(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "reverse-text",
        {
            "logs/rl.log": INFO.format("Starting RL run"),
            "logs/trainer.stdout": "[default0]:" + TRAINER_G2,
            "logs/trainer/rank_0.log": TRAINER_G2,
            "logs/trainer/rank_1.log": TRAINER_G2,
            "logs/orchestrator.stdout": ORCHESTRATOR,
            "logs/inference.stdout": ENGINE,
            "run_default/logs/orchestrator.log": ORCHESTRATOR,
            "torchrun/abc_x/attempt_0/0/stdout.log": TRAINER_G2,
            "rollouts/step_0/rank_0.bin": b"\0\1\2",
        },
    )
    scan = Discovery([run], packs).scan()
    assert scan.run.framework == "prime-rl"
    assert scan.run.confidence > 0.85
    assert scan.run.why.startswith("prime-rl (sure): logs/trainer")
    assert "“| Mismatch KL”" in scan.run.why
    assert scan.run.name == "reverse-text"
    assert roles(scan) == {
        "logs/rl.log": "launcher",
        "logs/trainer.stdout": "trainer",
        "logs/trainer/rank_1.log": "trainer",
        "logs/orchestrator.stdout": "orchestrator",
        "logs/inference.stdout": "inference",
    }
    assert by_file(scan)["logs/trainer/rank_1.log"].problems_only
    assert by_file(scan)["logs/trainer/rank_1.log"].source.labels == (("rank", "1"),)
    left = skipped(scan, run)
    assert left["logs/trainer/rank_0.log"] == "repeats logs/trainer.stdout"
    assert left["run_default/logs/orchestrator.log"] == "repeats logs/orchestrator.stdout"
    assert left["torchrun/abc_x/attempt_0/0/stdout.log"] == "repeats logs/trainer.stdout"
    assert left["rollouts/step_0/rank_0.bin"] == "weights or tensors"


def test_the_handlers_files_are_read_where_the_stdout_files_are_missing(tmp_path: Path, packs: dict[str, Pack]) -> None:
    files: dict[str, str | bytes] = {
        "logs/trainer/rank_0.log": TRAINER_G2, "logs/trainer/rank_1.log": TRAINER_G2,
        "run_default/logs/orchestrator.log": ORCHESTRATOR,
    }  # fmt: skip
    found = by_file(Discovery([write(tmp_path, files)], packs).scan())
    assert found.keys() == files.keys()
    assert [f.problems_only for f in found.values()] == [False, True, False]


def test_prime_rl_single_node(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "run",
        {
            "configs/trainer.toml": (
                'max_steps = 12\n\n[model]\nname = "Qwen/Qwen3-0.6B"\n\n[wandb]\nproject = "p"\nname = "e"\n'
            ),
            "configs/orchestrator.toml": "max_steps = 12\nbatch_size = 128\n",
            "logs/trainer.log": "[trainer0]:" + TRAINER_G3,
            "logs/trainer/torchrun/stderr.log": "E0325 torch/distributed/elastic: failed (exitcode: -9)\n",
            "logs/trainer/torchrun/4f_x/attempt_0/0/stdout.log": TRAINER_G3,
            "logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log": "RuntimeError: CUDA error\n",
            "logs/orchestrator.log": ORCHESTRATOR,
            "logs/inference.log": ENGINE,
            "logs/envs/train/reverse-text.log": INFO.format("EnvServer up: taskset=reverse-text"),
            "logs/envs/eval/math/env_worker_3.log": "2026-05-21 10:02:25 - verifiers.serve - INFO - up\n",
            "run_default/rollouts/step_3/train_rollouts.jsonl": '{"id": "x", "nodes": [], "rewards": {"r": 0.5}}\n',
            "run_default/rollouts/step_4/eval_rollouts_aime.jsonl": '{"id": "x", "nodes": [], "rewards": {}}\n',
            "run_default/broadcasts/step_4/STABLE": "",
            "job_4711.log": "srun: job 4711\n",
            "STATUS.md": "# status\n",
        },
    )
    scan = Discovery([run], packs).scan()
    assert (scan.run.framework, scan.run.project, scan.run.experiment) == ("prime-rl", "p", "e")
    found = by_file(scan)
    assert roles(scan) == {
        "logs/trainer.log": "trainer",
        "logs/trainer/torchrun/stderr.log": "trainer",
        "logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log": "trainer",
        "logs/orchestrator.log": "orchestrator",
        "logs/inference.log": "inference",
        "logs/envs/train/reverse-text.log": "env",
        "logs/envs/eval/math/env_worker_3.log": "env",
        "run_default/rollouts/step_3/train_rollouts.jsonl": "rollouts",
        "run_default/rollouts/step_4/eval_rollouts_aime.jsonl": "rollouts",
        "job_4711.log": "job",
    }
    assert skipped(scan, run)["logs/trainer/torchrun/4f_x/attempt_0/0/stdout.log"] == "repeats logs/trainer.log"
    assert not found["logs/trainer/torchrun/stderr.log"].problems_only  # torchrun's own lines are nowhere else
    other_rank = found["logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log"]
    assert other_rank.problems_only  # its traceback is not in trainer.log, its step lines are
    assert other_rank.source.labels == (("rank", "1"),)
    env = found["logs/envs/eval/math/env_worker_3.log"].source
    assert (env.lane, env.labels) == ("env math", (("environment", "math"), ("phase", "eval"), ("worker", "3")))
    assert found["logs/trainer.log"].source.packs == ("prime-rl", "vllm")
    rollouts = found["run_default/rollouts/step_3/train_rollouts.jsonl"].source
    assert (rollouts.reader, rollouts.packs) == ("records", ("prime-rl",))
    assert {(f.key, f.value, f.file.name, f.line) for f in scan.facts} == {
        ("max_steps", "12", "orchestrator.toml", 1), ("model", "Qwen/Qwen3-0.6B", "trainer.toml", 4),
        ("project", "p", "trainer.toml", 7), ("experiment", "e", "trainer.toml", 8),
        ("batch_size", "128", "orchestrator.toml", 2),
    }  # fmt: skip


def test_prime_rl_attempts_and_the_link_to_the_latest(tmp_path: Path, packs: dict[str, Pack]) -> None:
    name = "gsm8k--qwen3-4b--3fa9c1d2"
    root = write(
        tmp_path / "outputs",
        {
            f"{name}/configs/trainer.json": '{\n  "max_steps": 40,\n  "x": null,\n  "model": {\n    "name": "Q"}}\n',
            f"{name}/logs/attempt_1/trainer.log": "[trainer0]:" + TRAINER_G3,
            f"{name}/logs/attempt_1/orchestrator.log": ORCHESTRATOR,
            f"{name}/logs/attempt_2/trainer.log": "[trainer0]:" + TRAINER_G3,
            f"{name}/metrics.jsonl": '{"step": 1, "time": 1787356729.3, "loss/mean": 0.1}\n',
            f"{name}/rollouts/step_1/train/all/traces.jsonl": EPISODE,
            f"{name}/rollouts/step_1/train/effective/traces.jsonl": EPISODE,
            f"{name}/rollouts/step_2/train/effective/traces.jsonl": EPISODE,
        },
    )
    (root / name / "logs" / "latest").symlink_to("attempt_2")
    scan = Discovery([root], packs).scan()
    assert scan.run.framework == "prime-rl"
    assert scan.run.name == scan.run.experiment == name
    assert set(roles(scan)) == {
        f"{name}/logs/attempt_1/trainer.log", f"{name}/logs/attempt_1/orchestrator.log",
        f"{name}/logs/attempt_2/trainer.log", f"{name}/metrics.jsonl",
        f"{name}/rollouts/step_1/train/all/traces.jsonl", f"{name}/rollouts/step_1/train/effective/traces.jsonl",
        f"{name}/rollouts/step_2/train/effective/traces.jsonl",
    }  # fmt: skip
    assert roles(scan)[f"{name}/metrics.jsonl"] == "metrics"
    assert {(f.key, f.value, f.line) for f in scan.facts} == {("max_steps", "40", 2), ("model", "Q", 5)}
    # Given by its link, the attempt is read under its own path, and still belongs to the run.
    latest = Discovery([root / name / "logs" / "latest"], packs).scan()
    assert [f.path for f in latest.found] == [root / name / "logs" / "attempt_2" / "trainer.log"]
    assert latest.run.name == name


def test_prime_rl_on_two_nodes(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path,
        {
            "logs/trainer/node_0.log": TRAINER_G3,
            "logs/trainer/node_1.log": TRAINER_G3,
            "logs/inference/node_0.log": ENGINE,
            "logs/inference/node_1_rank2.log": ENGINE,
            "logs/inference/router_0.log": "INFO vllm_router_rs::server\n",
            "logs/orchestrator.log": ORCHESTRATOR,
        },
    )
    (run / "logs" / "trainer.log").symlink_to("trainer/node_0.log")
    (run / "logs" / "inference.log").symlink_to("inference/node_0.log")
    found = by_file(Discovery([run], packs).scan())
    assert {n: f.source.role for n, f in found.items()} == {
        "logs/trainer/node_0.log": "trainer", "logs/trainer/node_1.log": "trainer",
        "logs/inference/node_0.log": "inference", "logs/inference/node_1_rank2.log": "inference",
        "logs/inference/router_0.log": "router", "logs/orchestrator.log": "orchestrator",
    }  # fmt: skip
    assert not found["logs/trainer/node_0.log"].problems_only
    assert found["logs/trainer/node_1.log"].problems_only
    assert found["logs/trainer/node_1.log"].source.labels == (("node", "1"),)
    assert found["logs/inference/node_1_rank2.log"].source.lane == "inference 1"


def verl_run(root: Path, console: str) -> Path:
    return write(
        root,
        {
            "grpo_vllm.log": "++ set -x\n" + console,
            "wandb/run-1/files/output.log": console.replace("\x1b[36m(TaskRunner pid=41231)\x1b[0m ", ""),
            "wandb/run-1/files/config.yaml": "wandb_version: 1\n",
            "wandb/run-1/files/requirements.txt": "verl==0.6\n",
            "wandb/run-1/run-1.wandb": b"\0",
            "outputs/2026-01-14/09-30-05/.hydra/config.yaml": (
                "actor_rollout_ref:\n  model:\n    path: /models/Q\n  actor:\n    total_training_steps: -1\n"
                "data:\n  train_batch_size: 128\ntrainer:\n  project_name: proj\n  experiment_name: exp\n"
                "  total_training_steps: null\n  default_local_dir: checkpoints/${trainer.project_name}\n"
            ),
            "outputs/2026-01-14/09-30-05/main_ppo.log": "",
            "checkpoints/proj/exp/global_step_5/actor/model.pt": b"\x80\x02",
            "checkpoints/proj/exp/latest_checkpointed_iteration.txt": "5",
            "proj/exp.jsonl": '{"step": 1, "data": {"critic/score/mean": 0.63}}\n',
            "val_data/4.jsonl": '{"input": "q", "output": "a", "score": 1.0, "step": 4}\n',
            "rollout_data/1.jsonl": '{"input": "q", "output": "a", "score": 1.0, "step": 1}\n',
        },
    )


def test_verl_is_known_by_its_console(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = verl_run(tmp_path, VERL_START + VERL_STEP)
    scan = Discovery([run], packs).scan()
    assert (scan.run.framework, scan.run.project, scan.run.experiment) == ("verl", "proj", "exp")
    assert roles(scan) == {
        "grpo_vllm.log": "trainer", "outputs/2026-01-14/09-30-05/main_ppo.log": "launcher",
        "val_data/4.jsonl": "rollouts", "rollout_data/1.jsonl": "rollouts",
    }  # fmt: skip
    left = skipped(scan, run)
    assert left["wandb/run-1/files/output.log"] == "repeats grpo_vllm.log"
    assert left["proj/exp.jsonl"] == "repeats grpo_vllm.log"
    assert left["wandb/run-1/files/requirements.txt"] == "W&B's own file"
    assert {(f.key, f.value, f.line) for f in scan.facts} == {
        ("model", "/models/Q", 3), ("project", "proj", 9), ("experiment", "exp", 10), ("batch_size", "128", 7),
    }  # fmt: skip


def test_verl_without_console_logger_is_read_from_its_file_logger(tmp_path: Path, packs: dict[str, Pack]) -> None:
    found = roles(Discovery([verl_run(tmp_path, VERL_START)], packs).scan())
    assert found["proj/exp.jsonl"] == "metrics"
    assert found["grpo_vllm.log"] == "trainer"


def test_verl_without_a_console_is_read_from_wandb(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = verl_run(tmp_path, VERL_STEP)
    (run / "grpo_vllm.log").unlink()
    scan = Discovery([run], packs).scan()
    assert scan.run.framework == "verl"
    assert roles(scan)["wandb/run-1/files/output.log"] == "trainer"


def test_sft_consoles(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(
        tmp_path, {"a/sft.log": SFT, "b/out.txt": GOOD.format("Step 1 | Time: 0.6s | Loss: 12.3 | Grad. Norm: 28.4812")}
    )
    assert Discovery([tmp_path / "a"], packs).scan().run.framework == "verl"
    assert Discovery([tmp_path / "b" / "out.txt"], packs).scan().run.framework == "prime-rl"
