"""Which runs lie below a directory: each framework's layout is one run, a directory of several is several."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from run_trees import write

from rli_agent.discover.runs import RunFinder
from rli_agent.rulebook import Rulebook

VERL = "(TaskRunner pid=1) step:1 - actor/pg_loss:0.1 - critic/score/mean:0.2 - training/global_step:1\n"
TRAINER = "[trainer0]:09:00:01 SUCCESS Step 1 | Loss 0.1 | Entropy 0.4 | Mismatch KL 0.0005 | Grad. Norm 0.01\n"
ORCHESTRATOR = "09:00:00    INFO Starting orchestrator\n09:00:01 SUCCESS Step 1 | Reward 0.5 | Max Off-Policy 1\n"
TRL = "{'loss': 0.01, 'rewards/x': 0.1, 'completions/mean_length': 7.0, 'frac_reward_zero_std': 0, 'epoch': 0.1}\n"
AREAL = "(AReaL) 20261121-10:00:00.000 StatsLogger INFO: Epoch 1/1 Step 1/2\n"
VLLM = "INFO 11-21 10:00:00 [loggers.py:1] Engine 000: Avg generation throughput: 3.0 tokens/s\n"


def found(root: Path, book: Rulebook) -> list[str]:
    return sorted(os.path.relpath(place.path, root) for place in RunFinder(root, book.packs).find())


PRIME_RL = {
    "configs/trainer.toml": "max_steps = 3\n", "logs/attempt_1/trainer.log": TRAINER,
    "logs/attempt_1/orchestrator.log": ORCHESTRATOR, "logs/attempt_2/trainer.log": TRAINER,
    "logs/attempt_2/trainer/torchrun/ab_cd/attempt_0/0/stdout.log": TRAINER,
    "logs/attempt_2/trainer/torchrun/ef_gh/attempt_0/0/stdout.log": TRAINER,
    "run_default/logs/orchestrator.log": ORCHESTRATOR, "rollouts/step_1/train_rollouts.jsonl": "{}\n",
}  # fmt: skip
MULTI_NODE = {
    "logs/trainer/node_0.log": TRAINER, "logs/trainer/node_1.log": TRAINER, "logs/inference/node_0.log": VLLM,
    "slurm/job_1_train_node_rank_0.log": TRAINER, "torchrun/x_y/attempt_0/0/stdout.log": TRAINER,
    "torchrun/z_w/attempt_0/0/stdout.log": TRAINER,
}  # fmt: skip
VERL_RUN = {
    "train.log": VERL, "outputs/2026-01-14/09-30-05/main_ppo.log": VERL,
    "outputs/2026-01-14/09-30-05/.hydra/config.yaml": "trainer: {}\n", "outputs/2026-01-15/10-00-00/main_ppo.log": VERL,
    "wandb/run-20260114_093005-a/files/output.log": VERL, "wandb/run-20260115_100000-b/files/output.log": VERL,
    "rollout_data/1.jsonl": "{}\n", "proj/exp.jsonl": "{}\n", "session_1/logs/worker-1-2-3.out": VERL,
}  # fmt: skip


@pytest.mark.parametrize(
    "files",
    [PRIME_RL, MULTI_NODE, VERL_RUN, {"wandb/run-20260114_093005-a/files/output.log": VERL},
     {"node0/train.log": TRL, "node1/train.log": TRL}, {"trainer/x.log": TRL, "vllm/y.log": VLLM},
     {"train.log": TRL, "output/checkpoint-5/trainer_state.json": "{}", "data/notes.txt": TRL},
     {"nohup.out": TRAINER, "out/mine/logs/trainer.log": TRAINER}, {"docs/a.txt": "words\n", "b/c.txt": "words\n"}, {}],
    ids=["prime-rl attempts", "prime-rl nodes", "verl starts", "wandb alone", "two nodes", "two roles", "trl",
         "console beside its run", "no run at all", "empty"],
)  # fmt: skip
def test_one_run_stays_one(tmp_path: Path, book: Rulebook, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert found(tmp_path, book) == []


def test_each_directory_of_several_is_a_run(tmp_path: Path, book: Rulebook) -> None:
    for name, files in {"a": PRIME_RL, "team/b": VERL_RUN, "c/run_1": {"train.log": TRL}, "d": {"y.log": VLLM}}.items():
        write(tmp_path / name, files)
    write(tmp_path, {"notes/plan.txt": "words\n", "checkpoints/x/train.log": TRL})
    assert found(tmp_path, book) == ["a", "c/run_1", "d", "team/b"]


def test_a_folder_of_runs_may_be_called_logs(tmp_path: Path, book: Rulebook) -> None:
    trials = {f"logs/root/gsm8k/trial{i}/main.log": AREAL for i in range(2)}
    write(tmp_path, trials)
    assert found(tmp_path, book) == ["logs/root/gsm8k/trial0", "logs/root/gsm8k/trial1"]


def test_text_beside_several_runs_is_a_run_without_them(tmp_path: Path, book: Rulebook) -> None:
    write(tmp_path, {"slurm-7.out": "srun: starting\n", "a/train.log": VERL, "b/train.log": TRL})
    places = {os.path.relpath(p.path, tmp_path): p for p in RunFinder(tmp_path, book.packs).find()}
    assert sorted(places) == [".", "a", "b"]
    assert places["."].without == {str(tmp_path / "a"), str(tmp_path / "b")}


def test_a_run_that_says_nothing_telling_is_one_beside_others(tmp_path: Path, book: Rulebook) -> None:
    write(tmp_path, {"a/train.log": VERL, "b/train.log": "Traceback (most recent call last):\n", "c/notes.txt": "x\n"})
    assert found(tmp_path, book) == ["a", "b"]


def test_the_run_written_last_comes_first_and_new_text_is_seen(tmp_path: Path, book: Rulebook) -> None:
    write(tmp_path, {"a/train.log": VERL, "b/train.log": "loading\n", "c/train.log": TRL})
    for seconds, name in enumerate("bac"):
        os.utime(tmp_path / name / "train.log", (seconds + 1e9, seconds + 1e9))
    finder = RunFinder(tmp_path, book.packs)
    assert [os.path.basename(p.path) for p in finder.find()] == ["c", "a", "b"]
    write(tmp_path, {"b/train.log": VERL, "d/e/train.log": TRL})
    assert {os.path.basename(p.path) for p in finder.find()} == {"a", "b", "c", "e"}


def test_links_hidden_directories_and_what_cannot_be_read_are_passed_over(tmp_path: Path, book: Rulebook) -> None:
    write(tmp_path / "there", {"x/train.log": VERL})
    write(tmp_path / "runs", {"a/train.log": VERL, ".old/train.log": TRL, "b/train.log": "\0\0\0", "c/d/e.log": TRL})
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "there")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    assert found(tmp_path / "runs", book) == ["a", "b", "c/d"]
