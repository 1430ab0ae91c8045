"""A short TRL run (1.9 with transformers 5.23, GRPO): one process, no stamps, figures with four digits in quotes; the
Trainer's history keeps all digits at each checkpoint."""

from __future__ import annotations

import json
from typing import Any

from rli_agent.samples.console_run import ConsoleRun, rounded
from rli_agent.samples.writing import Files


class Run(ConsoleRun):
    start = 1788253200.0  # 2026-09-01 09:00:00 UTC
    steps = 12

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, Any]] = []

    def make(self) -> Files:
        self.files.untimed(self.console)
        self.put("`torch_dtype` is deprecated! Use `dtype` instead!")
        self.now += 1.5
        self.put("[WARNING] No chat template in the tokenizer, falling back to ChatML (trl/trainer/utils.py)")
        self.now += 1.0
        self.began = self.now
        shown = self.bar(0, self.steps, self.began)
        for step in range(1, self.steps + 1):
            figures = self._figures(step)
            before, shown = shown, self.bar(step, self.steps, self.began)
            self.put(f"\r{before}\r{shown}\r{' ' * 60}\r{_printed(figures)}")
            self.history.append({**figures, "step": step})
            if step % 6 == 0:
                self._evaluate(step, shown)
                self._save(step)
        whole = {
            "train_runtime": self.now - self.began, "train_samples_per_second": 2.4, "train_steps_per_second": 0.3,
            "train_loss": -0.0123, "epoch": 1.0,
        }  # fmt: skip
        self.put(f"\r{shown}\r{' ' * 60}\r{_printed(rounded(whole))}")
        self.put(f"\r{shown}")
        return self.files

    def _figures(self, step: int) -> dict[str, Any]:
        took = self.spend(2.6, 3.3)
        reward, length = self.skill(step), self.length(step)
        return rounded(
            {
                "loss": self.near(-0.012, 0.02), "grad_norm": self.near(0.42 - 0.01 * step, 0.05),
                "learning_rate": 1e-6 * (1 - (step - 1) / self.steps), "num_tokens": 3072.0 * step,
                "completions/mean_length": length, "completions/min_length": 21.0, "completions/max_length": 256.0,
                "completions/clipped_ratio": max(0.0, self.near(0.03, 0.03)),
                "completions/mean_terminated_length": length - 2, "completions/min_terminated_length": 21.0,
                "completions/max_terminated_length": 211.0, "rewards/is_right/mean": reward,
                "rewards/is_right/std": 0.44, "reward": reward, "reward_std": self.near(0.31, 0.03),
                "frac_reward_zero_std": 0.125, "kl": 0.0003 * step, "step_time": took, "entropy": self.entropy(step),
                "clip_ratio/low_mean": 0.0, "clip_ratio/low_min": 0.0, "clip_ratio/high_mean": 0.0,
                "clip_ratio/high_max": 0.0, "clip_ratio/region_mean": 0.0, "epoch": step / self.steps,
            }
        )  # fmt: skip

    def _evaluate(self, step: int, shown: str) -> None:
        took = self.spend(1.0, 1.4)
        found = {
            "eval_loss": self.near(-0.015, 0.01), "eval_runtime": took, "eval_samples_per_second": 6.2,
            "eval_steps_per_second": 0.8, "eval_reward": self.skill(step) + 0.02,
            "eval_completions/mean_length": self.length(step), "epoch": step / self.steps,
        }  # fmt: skip
        self.put(
            f"\r{shown}\r\r  0%|          | 0/1 [00:00<?, ?it/s]\x1b[A\r{' ' * 60}\r\x1b[A{_printed(rounded(found))}"
        )
        self.history.append({**rounded(found), "step": step})

    def _save(self, step: int) -> None:
        self.now += 0.6
        state = {
            "best_global_step": None, "epoch": step / self.steps, "eval_steps": 6, "global_step": step,
            "log_history": self.history, "logging_steps": 1, "max_steps": self.steps,
            "num_train_epochs": 1, "save_steps": 6,
        }  # fmt: skip
        text = json.dumps(state, indent=2, sort_keys=True) + "\n"
        self.files.whole(f"checkpoint-{step}/trainer_state.json", text, self.now)


def _printed(figures: dict[str, Any]) -> str:
    """As the Trainer prints a dict since transformers 5."""
    return str({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in figures.items()})
