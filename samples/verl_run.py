"""A short verl run (v0.6.1, RayPPOTrainer with GRPO): a 0.5B model learns to add, on four GPUs of one node."""

from __future__ import annotations

import random
from typing import Any

from rli_agent.samples.writing import Files, stamp

START = 1787639400.0  # 2026-08-25 06:30:00 UTC
STEPS, EVAL_EVERY, SAVE_AT = 14, 7, 7
PROJECT, EXPERIMENT = "arithmetic_grpo", "qwen2_5_0_5b"
CONSOLE = "train.log"
RUNNER, WORKER, SERVER = "TaskRunner pid=31702", "WorkerDict pid=32415", "vLLMHttpServer pid=32988"
SAMPLES = 4  # of a step that are kept in rollout_data

CONFIG = f"""\
actor_rollout_ref:
  model:
    path: Qwen/Qwen2.5-0.5B-Instruct
  actor:
    strategy: fsdp
    ppo_mini_batch_size: 32
    use_kl_loss: true
    kl_loss_coef: 0.001
    optim:
      lr: 1.0e-06
  rollout:
    name: vllm
    n: 4
    calculate_log_probs: true
data:
  train_batch_size: 32
  max_prompt_length: 256
  max_response_length: 256
algorithm:
  adv_estimator: grpo
trainer:
  total_training_steps: {STEPS}
  project_name: {PROJECT}
  experiment_name: {EXPERIMENT}
  logger:
  - console
  - file
  nnodes: 1
  n_gpus_per_node: 4
  save_freq: {SAVE_AT}
  test_freq: {EVAL_EVERY}
  val_before_train: true
  rollout_data_dir: rollout_data
  validation_data_dir: val_data
  default_local_dir: checkpoints/${{trainer.project_name}}/${{trainer.experiment_name}}
"""


class Numpy(float):
    """A figure that went through numpy: numpy 2 prints its type."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)!r})"


class Run:
    """The driver's console and what the TaskRunner writes beside it."""

    def __init__(self) -> None:
        self.files = Files()
        self._dice = random.Random(11)
        self._now = START

    def make(self) -> Files:
        hydra = f"outputs/{stamp(START, '%Y-%m-%d/%H-%M-%S')}"
        self.files.whole(f"{hydra}/.hydra/config.yaml", CONFIG)
        overrides = (f"trainer.project_name={PROJECT}", f"trainer.experiment_name={EXPERIMENT}")
        self.files.whole(f"{hydra}/.hydra/overrides.yaml", "".join(f"- {o}\n" for o in overrides))
        self.files.whole(f"{hydra}/main_ppo.log", "")
        self._start_up()
        for step in range(1, STEPS + 1):
            self._step(step)
        self._validated("Final")
        return self.files

    # -- what is printed

    def _print(self, text: str, who: str = RUNNER) -> None:
        self.files.line(CONSOLE, self._now, f"\x1b[36m({who})\x1b[0m {text}")

    def _engine(self, text: str) -> None:
        said = f"(EngineCore_DP0 pid=33102) INFO {stamp(self._now, '%m-%d %H:%M:%S')} {text}"
        self._print(said, SERVER)

    def _validated(self, when: str) -> None:
        """What pprint makes of it: one of the figures that the step line has, too."""
        self._print(f"\"{when} validation metrics: {{'val-core/arithmetic/acc/mean@1': {Numpy(self._accuracy)!r}}}\"")

    def _worker(self, text: str, level: str = "INFO") -> None:
        self._print(f"{level}:{stamp(self._now, '%Y-%m-%d %H:%M:%S,%f')}:{text}", WORKER)

    def _bar(self, done: int) -> None:
        elapsed = self._now - self._loop
        rate = f"{elapsed / done:.2f}s/it" if done else "?it/s"
        left = _clock(elapsed / done * (STEPS - done)) if done else "?"
        cells = 10 * done // STEPS
        bar = f"{100 * done // STEPS:3d}%|{'█' * cells}{' ' * (10 - cells)}| {done}/{STEPS}"
        self._print(f"\rTraining Progress: {bar} [{_clock(elapsed)}<{left}, {rate}]")

    # -- the run

    def _start_up(self) -> None:
        ray = f"{stamp(self._now, '%Y-%m-%d %H:%M:%S,%f')}\tINFO worker.py:1951 -- Started a local Ray instance."
        board = "View the dashboard at \x1b[1m\x1b[32m127.0.0.1:8265 \x1b[39m\x1b[22m"
        self.files.line(CONSOLE, self._now, f"{ray} {board}")
        self._now += 1.2
        self._print("Size of train dataloader: 233, Size of val dataloader: 1")
        self._print(f"Total training steps: {STEPS}")
        self._now += 0.8
        self._worker("Flash attention is used with a model in float32; it supports float16 and bfloat16", "WARNING")
        self._now += 1.4
        self._engine("[default_loader.py:268] Loading weights took 0.38 seconds")
        self._now += 0.4
        self._engine("[gpu_model_runner.py:2653] Model loading took 0.93 GiB and 0.611307 seconds")
        self._now += 1.5
        self._engine("[core.py:214] init engine (profile, create kv cache, warmup model) took 1.47 seconds")
        self._print("AgentLoopManager: ['127.0.0.1:41877']")
        self._now += 0.3
        where = f"checkpoints/{PROJECT}/{EXPERIMENT}/latest_checkpointed_iteration.txt"
        self._print(f"Checkpoint tracker file does not exist: {where}")
        self._print("Training from scratch")
        self._print(f"Creating file logger at {PROJECT}/{EXPERIMENT}.jsonl")
        took, figures = self._validate(0)
        del took
        self._validated("Initial")
        self._log(0, figures)
        self._loop = self._now
        self._bar(0)

    def _validate(self, step: int) -> tuple[float, dict[str, Any]]:
        """How long it took, and its figures."""
        began = self._now
        meta = {"eos_token_id": 151645, "do_sample": False, "validate": True, "global_steps": step}
        self._print(f"test_gen_batch meta info: {meta}")
        self._engine("[executor_base.py:205] It took 0.104 seconds to wake up tags ['kv_cache'].")
        self._now += self._dice.uniform(0.9, 1.1)
        self._print("validation generation end")
        self._print("[prompt] What is 12 + 30?")
        self._print("[response] 12 + 30 = 42. #### 42")
        self._print("[ground_truth] 42")
        self._print("[score] 1.0")
        self._now += 0.2
        right = self._dump("val_data", step, self._skill(step))
        self._accuracy = round(self._skill(step) + 0.02, 4)
        return self._now - began, {
            "val-aux/arithmetic/reward/mean@1": Numpy(right),
            "val-core/arithmetic/acc/mean@1": Numpy(self._accuracy), "val-aux/num_turns/mean": Numpy(2.0),
        }  # fmt: skip

    def _skill(self, step: int) -> float:
        return 0.24 + 0.5 * step / (step + 6)

    def _dump(self, folder: str, step: int, skill: float) -> float:
        """The samples of a step, as the TaskRunner saves them; their mean score."""
        scores = []
        for _ in range(SAMPLES):
            a, b = self._dice.randrange(10, 90), self._dice.randrange(10, 90)
            right = self._dice.random() < skill
            said = a + b + (0 if right else self._dice.choice((-10, 1, 10)))
            scores.append(1.0 if right else 0.0)
            sample = {
                "input": f"user\nWhat is {a} + {b}? End with #### and the result.\nassistant\n",
                "output": f"{a} + {b} = {said}.\n#### {said}", "gts": str(a + b), "score": scores[-1], "step": step,
                "acc": right,
            }  # fmt: skip
            self.files.record(f"{folder}/{step}.jsonl", self._now, sample, compact=False)
        self._print(f"Dumped generations to {folder}/{step}.jsonl")
        return sum(scores) / SAMPLES

    def _log(self, step: int, figures: dict[str, Any]) -> None:
        """What verl's tracking does with the figures of a step: one console line, one record of the file logger."""
        self._print(f"step:{step} - " + " - ".join(f"{key}:{value!r}" for key, value in figures.items()))
        self.files.record(f"{PROJECT}/{EXPERIMENT}.jsonl", self._now, {"step": step, "data": figures})

    def _step(self, step: int) -> None:
        dice = self._dice
        timing: dict[str, float] = {"gen": dice.uniform(0.95, 1.2), "reward": dice.uniform(0.01, 0.03)}
        timing |= {"old_log_prob": dice.uniform(0.22, 0.28), "ref": dice.uniform(0.2, 0.26)}
        timing |= {"adv": dice.uniform(0.003, 0.006), "update_actor": dice.uniform(0.6, 0.75)}
        timing["dump_rollout_generations"] = dice.uniform(0.004, 0.008)
        spent = sum(timing.values()) + dice.uniform(0.05, 0.09)
        self._engine("[executor_base.py:205] It took 0.118 seconds to wake up tags ['kv_cache'].")
        self._now += timing["gen"]
        self._engine(f"[executor_base.py:189] It took {dice.uniform(0.1, 0.2):.6f} seconds to fall asleep.")
        self._now += spent - timing["gen"]
        self._dump("rollout_data", step, self._skill(step))
        after: dict[str, float] = {}
        checked: dict[str, Any] = {}
        if step % EVAL_EVERY == 0:
            after["testing"], checked = self._validate(step)
        if step == SAVE_AT:
            folder = f"checkpoints/{PROJECT}/{EXPERIMENT}/global_step_{step}"
            self._print(f"local_global_step_folder: {folder}")
            after["save_checkpoint"] = dice.uniform(1.0, 1.2)
            self._now += after["save_checkpoint"]
            self._worker(f"[Rank 0] Saved model to {folder}/actor/model_world_size_4_rank_0.pt")
        self._log(step, self._figures(step, timing, spent, after, checked))
        self._bar(step)

    def _figures(
        self, step: int, timing: dict[str, float], spent: float, after: dict[str, float], checked: dict[str, Any]
    ) -> dict[str, Any]:
        """All keys of a step in the order in which v0.6 logs them."""
        dice = self._dice
        reward = round(self._skill(step) + dice.uniform(-0.03, 0.03), 10)
        tokens = dice.randrange(21000, 24000)
        length = round(96 + 18 * step / (step + 8) + dice.uniform(-5, 5), 6)
        figures: dict[str, Any] = {
            "global_seqlen/min": tokens // 4 - 310, "global_seqlen/max": tokens // 4 + 295,
            "global_seqlen/mean": tokens / 4,
            "actor/entropy": round(0.24 + 0.2 * 6 / (step + 6) + dice.uniform(-0.01, 0.01), 10),
            "training/rollout_probs_diff_max": round(dice.uniform(0.18, 0.3), 10),
            "training/rollout_probs_diff_mean": round(dice.uniform(0.0028, 0.0041), 10),
            "actor/kl_loss": Numpy(round(0.0004 + 0.00011 * step + dice.uniform(0, 0.0001), 10)),
            "actor/kl_coef": Numpy(0.001), "actor/pg_loss": Numpy(round(dice.uniform(-0.02, 0.02), 10)),
            "actor/pg_clipfrac": Numpy(round(dice.uniform(0.0004, 0.0013), 10)),
            "actor/ppo_kl": Numpy(round(dice.uniform(-0.0002, 0.0003), 10)),
            "actor/grad_norm": Numpy(round(0.19 - 0.004 * step + dice.uniform(-0.02, 0.02), 10)),
            "perf/mfu/actor": Numpy(round(dice.uniform(0.17, 0.2), 10)),
            "perf/max_memory_allocated_gb": Numpy(11.418), "perf/cpu_memory_used_gb": Numpy(63.2),
            "actor/lr": Numpy(1e-06),
            **checked,
            "training/global_step": step, "training/epoch": 0,
            "critic/score/mean": reward, "critic/score/max": 1.0, "critic/score/min": 0.0,
            "critic/rewards/mean": reward, "critic/rewards/max": 1.0, "critic/rewards/min": 0.0,
            "critic/advantages/mean": round(dice.uniform(-0.01, 0.01), 10),
            "critic/advantages/max": 1.4999, "critic/advantages/min": -1.4999,
            "response_length/mean": length, "response_length/max": 256.0, "response_length/min": 21.0,
            "response_length/clip_ratio": round(dice.uniform(0.0, 0.03), 10), "response/aborted_ratio": 0.0,
            "prompt_length/mean": 41.5, "prompt_length/max": 44.0, "prompt_length/min": 40.0,
            "num_turns/mean": Numpy(2.0), "timing_s/start_profile": 0.0001,
        }  # fmt: skip
        figures |= {f"timing_s/{key}": round(value, 10) for key, value in timing.items()}
        figures["timing_s/step"] = round(spent, 10)
        figures |= {f"timing_s/{key}": round(value, 10) for key, value in after.items()}
        figures |= {
            "timing_s/stop_profile": 0.0002,
            "timing_per_token_ms/gen": round(1000 * timing["gen"] / (length * 128), 10),
            "timing_per_token_ms/update_actor": round(1000 * timing["update_actor"] / tokens, 10),
            "perf/total_num_tokens": tokens, "perf/time_per_step": round(spent, 10),
            "perf/throughput": round(tokens / 4 / spent, 6),
        }  # fmt: skip
        return figures


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"
