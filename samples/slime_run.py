"""A short slime run (0.3, Megatron and SGLang on Ray, GRPO, colocated): timers and dicts on the driver's console."""

from __future__ import annotations

from collections.abc import Callable

from rli_agent.samples.console_run import ConsoleRun, rounded
from rli_agent.samples.writing import Files, stamp

MANAGER, TRAINER, ENGINE = "RolloutManager pid=23817", "MegatronTrainRayActor pid=23967", "SGLangEngine pid=23907"


class Run(ConsoleRun):
    start = 1788426000.0  # 2026-09-03 09:00:00 UTC
    steps = 8

    def make(self) -> Files:
        self.ray_starts()
        self.by(TRAINER, f"{'-' * 24} arguments {'-' * 24}")
        self.by(TRAINER, f"  num_rollout ..................................... {self.steps}")
        self.by(TRAINER, f"{'-' * 20} end of arguments {'-' * 21}")
        self.now += 1.0
        self._say(
            MANAGER,
            "rollout.py:396",
            "import slime.rollout.sglang_rollout.generate_rollout as generate_rollout function.",
        )
        self.by(ENGINE, f"[{self._clock()}] INFO:     Uvicorn running on http://127.0.0.1:15000 (Press CTRL+C to quit)")
        self._timed("update_weights", lambda: self.spend(0.8, 1.0))
        self.waits = self.now
        self._say(TRAINER, "timer.py:24", "Timer train_wait start")
        for rollout in range(self.steps):
            self._rollout(rollout)
        return self.files

    def _clock(self) -> str:
        return stamp(self.now, "%Y-%m-%d %H:%M:%S")

    def _say(self, who: str, place: str, message: str) -> None:
        self.by(who, f"[{self._clock()}] {place} - {message}")

    def _timed(self, name: str, work: Callable[[], object]) -> float:
        """A part with its timer's two lines; its seconds."""
        began = self.now
        self._say(TRAINER, "timer.py:24", f"Timer {name} start")
        work()
        self._say(TRAINER, "timer.py:32", f"Timer {name} end (elapsed: {self.now - began:.1f}s)")
        return self.now - began

    def _rollout(self, rollout: int) -> None:
        generated = self.spend(1.6, 2.0)
        load = (
            f"#running-req: {self.dice.randrange(20, 60)}, #token: {self.dice.randrange(4000, 9000)}, token usage: 0.21"
        )
        speed = f"gen throughput (token/s): {self.near(4200, 300):.2f}, #queue-req: 0, "
        self.by(ENGINE, f"[{self._clock()} TP0] Decode batch. {load}, cuda graph: True, {speed}")
        length, reward = self.length(rollout), self.skill(rollout)
        self._say(
            MANAGER,
            "sglang_rollout.py:446",
            "Finish rollout: ['user\\nWhat is 12 + 30?\\nassistant\\n42'], label: 42, reward: 1.0",
        )
        told = {
            "rollout/response_len/mean": length, "rollout/response_len/median": length - 4,
            "rollout/response_len/max": 256,
            "rollout/response_len/min": 21, "rollout/zero_std/count_0.0": 2, "rollout/zero_std/count_1.0": 3,
            "rollout/truncated_ratio": 0.0156, "rollout/repetition_frac": 0.0, "perf/rollout_time": generated,
            "perf/tokens_per_gpu_per_sec": 128 * length / generated / 2,
        }  # fmt: skip
        self._say(MANAGER, "rollout_metrics.py:268", f"perf {rollout}: {rounded(told)}")
        self._timed("wake_up", lambda: self.spend(0.2, 0.3))
        waited = self.now - self.waits
        self._say(TRAINER, "timer.py:32", f"Timer train_wait end (elapsed: {waited:.1f}s)")
        parts: dict[str, float] = {}
        trained = self._timed("train", lambda: self._train(rollout, parts, length, reward))
        self.waits = self.now
        self._say(TRAINER, "timer.py:24", "Timer train_wait start")
        took = {
            f"perf/{name}_time": seconds for name, seconds in {"train_wait": waited, **parts, "train": trained}.items()
        }
        whole = {
            **took,
            "perf/actor_train_tok_per_s": 128 * length / parts["actor_train"],
            "perf/step_time": waited + trained,
        }
        self._say(TRAINER, "train_metric_utils.py:348", f"perf {rollout}: {rounded(whole)}")
        if rollout == 3:
            self._timed("save_model", lambda: self.spend(0.9, 1.1))
        self._timed("sleep", lambda: self.spend(0.2, 0.3))
        self._timed("update_weights", lambda: self.spend(0.4, 0.5))
        if rollout % 4 == 3:
            self.now += 1.0
            self._say(MANAGER, "rollout.py:512", f"eval {rollout}: {rounded({'eval/arithmetic': self.skill(rollout)})}")

    def _train(self, rollout: int, parts: dict[str, float], length: float, reward: float) -> None:
        parts["data_preprocess"] = self._timed("data_preprocess", lambda: self.spend(0.05, 0.1))
        parts["ref_log_probs"] = self._timed("ref_log_probs", lambda: self.spend(0.2, 0.3))
        parts["log_probs"] = self._timed("log_probs", lambda: self.spend(0.2, 0.3))
        told = {
            "rollout/rollout_log_probs": -0.2586, "rollout/raw_reward": reward, "rollout/total_lengths": length + 41,
            "rollout/response_lengths": length, "rollout/rewards": self.near(0.0, 1e-8), "rollout/truncated": 0.0156,
            "rollout/log_probs": -0.2571, "rollout/ref_log_probs": -0.2602, "rollout/advantages": self.near(0.0, 1e-8),
        }  # fmt: skip
        self._say(TRAINER, "train_metric_utils.py:148", f"rollout {rollout}: {rounded(told)}")
        parts["actor_train"] = self._timed("actor_train", lambda: self._optimise(rollout))

    def _optimise(self, rollout: int) -> None:
        self.spend(0.8, 1.1)
        figures = {
            "train/loss": self.near(-0.01, 0.01), "train/pg_loss": self.near(-0.01, 0.01),
            "train/entropy_loss": self.entropy(rollout), "train/pg_clipfrac": 0.0078, "train/ppo_kl": 2.6e-05,
            "train/train_rollout_logprob_abs_diff": self.near(0.012, 0.002), "train/kl_loss": 0.0004 * rollout,
            "train/grad_norm": self.near(0.4, 0.05), "train/lr-pg_0": 1e-06, "train/step": rollout,
        }  # fmt: skip
        self._say(TRAINER, "model.py:918", f"step {rollout}: {rounded(figures)}")
