"""A short SkyRL run (2026, GRPO): the driver's console, loguru's lines with timers, a block of all figures a step."""

from __future__ import annotations

from collections.abc import Callable

from rli_agent.samples.console_run import ConsoleRun
from rli_agent.samples.writing import Files, stamp

ENTRY = "skyrl_entrypoint pid=54941"


class Run(ConsoleRun):
    console = "driver.log"
    start = 1788685200.0  # 2026-09-06 09:00:00 UTC
    steps = 8

    def make(self) -> Files:
        self._say("trainer:build_models:848", "init policy/ref/critic models done")
        self.now += 1.0
        self._say("trainer:load_checkpoints:1742", "No checkpoint found, starting training from scratch")
        self._say("trainer:train:268", f"Total steps: {self.steps}")
        self._timed("train:271", "sync_weights", lambda: self.spend(0.4, 0.5))
        began = self.now
        self.put(f"Training Batches Processed: {self.bar(0, self.steps, began)}")
        for step in range(1, self.steps + 1):
            self._step(step)
            self.put(f"Training Batches Processed: {self.bar(step, self.steps, began)}")
        self._say("trainer:train:520", "Training done!")
        return self.files

    def _say(self, place: str, message: str, level: str = "INFO") -> None:
        self.by(ENTRY, f"{stamp(self.now, '%Y-%m-%d %H:%M:%S.%f')} | {level: <8} | skyrl.train.{place} - {message}")

    def _timed(self, place: str, name: str, work: Callable[[], object]) -> float:
        began = self.now
        self._say(f"trainer:{place}", f"Started: '{name}'")
        work()
        self._say(f"trainer:{place}", f"Finished: '{name}', time cost: {self.now - began:.2f}s")
        return self.now - began

    def _step(self, step: int) -> None:
        reward, length = self.skill(step), self.length(step)
        times: dict[str, float] = {}

        def part(place: str, name: str, work: Callable[[], object]) -> None:
            times[name] = self._timed(place, name, work)

        def train() -> None:
            part("train_critic_and_policy:1570", "policy_train", lambda: self.spend(0.9, 1.1))

        def all_of_it() -> None:
            part("train:329", "generate", lambda: self.spend(1.3, 1.7))
            part("train:345", "postprocess_generator_output", lambda: self._post(reward))
            part("train:352", "convert_to_training_input", lambda: self.spend(0.02, 0.05))
            part("train:357", "fwd_logprobs_values_reward", lambda: self.spend(0.3, 0.5))
            part("train:366", "compute_advantages_and_returns", lambda: self._advantages(reward, length))
            part("train:380", "train_critic_and_policy", train)
            if step == 4:
                part("train:398", "save_checkpoints", lambda: self.spend(0.8, 1.0))
            part("train:405", "sync_weights", lambda: self.spend(0.3, 0.4))

        part("train:312", "step", all_of_it)
        policy = {
            "final_loss": self.near(-0.01, 0.005), "policy_loss": self.near(-0.01, 0.005),
            "policy_entropy": self.entropy(step),
            "response_length": 256.0, "policy_lr": 1e-06, "loss_metrics/clip_ratio": 0.0002,
            "policy_kl": 0.0002 * step, "grad_norm": self.near(0.55, 0.05),
        }  # fmt: skip
        self._say("trainer:train:497", str({key: round(value, 12) for key, value in policy.items()}))
        figures: dict[str, float] = {f"policy/{key}": value for key, value in policy.items()}
        figures |= {
            "reward/avg_pass_at_4": reward + 0.2,
            "reward/avg_raw_reward": reward,
            "loss/avg_final_rewards": reward,
        }
        if step % 4 == 0:
            times["eval"] = self._timed("train:440", "eval", lambda: self.spend(0.9, 1.1))
            figures["eval/all/avg_score"] = self.skill(step)
        figures |= {f"timing/{name}": seconds for name, seconds in times.items()}
        self._say("utils.tracking:log:201", f"Step {step}: ")
        shown = [f"'{key}': '{value:.4f}'" for key, value in sorted(figures.items())]
        shown += ["'trainer/epoch': 0", f"'trainer/global_step': {step}"]
        for n, text in enumerate(shown):
            self.by(ENTRY, ("{" if n == 0 else " ") + text + ("}" if n == len(shown) - 1 else ","))

    def _post(self, reward: float) -> None:
        self.spend(0.05, 0.1)
        told = f"reward/avg_pass_at_4: {reward + 0.2}, reward/avg_raw_reward: {reward}"
        self._say("trainer:postprocess_generator_output:1116", told)

    def _advantages(self, reward: float, length: float) -> None:
        self.spend(0.01, 0.03)
        told = f"avg_final_rewards: {reward}, avg_response_length: {length}"
        self._say("trainer:compute_advantages_and_returns:1226", told)
