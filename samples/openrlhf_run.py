"""A short OpenRLHF run (0.10, PPOTrainer with GRPO): Ray's driver console, a step line in full precision."""

from __future__ import annotations

from rli_agent.samples.console_run import ConsoleRun, rounded
from rli_agent.samples.writing import Files, stamp

TRAINER, POLICY, ENGINE = "PPOTrainer pid=41210", "PolicyModelActor pid=41388", "RolloutRayActor pid=41560"


class Run(ConsoleRun):
    start = 1788339600.0  # 2026-09-02 09:00:00 UTC
    steps = 9

    def make(self) -> Files:
        self.ray_starts()
        self.by(ENGINE, self._stamped("gpu_model_runner.py:1186", "Model loading took 0.9281 GB and 1.240012 seconds"))
        self.now += 1.5
        self.by(
            ENGINE,
            "init_process_group: master_address=127.0.0.1, master_port=42117,  rank=1, world_size=2, "
            "group_name=openrlhf",
        )
        self.by(TRAINER, f"Episode [1/1]: {self.bar(0, self.steps, self.now)}")
        began = self.now
        for step in range(1, self.steps + 1):
            self._step(step)
            if step % 3 == 0:
                self._evaluate(step)
            self.by(TRAINER, f"\rEpisode [1/1]: {self.bar(step, self.steps, began)}")
        self._say("ppo_trainer.py:588", "Prompt dataloader is exhausted.")
        return self.files

    def _stamped(self, place: str, message: str) -> str:
        return f"INFO {stamp(self.now, '%m-%d %H:%M:%S')} {place}] {message}"

    def _say(self, place: str, message: str) -> None:
        self.by(TRAINER, self._stamped(place, message))

    def _step(self, step: int) -> None:
        generation = self.spend(1.5, 1.9)
        self._say("experience_maker.py:116", "🚀 Starting experience making with 128 samples")
        making = self.spend(0.7, 0.9)
        self._say("experience_maker.py:232", "✨ Experience making completed in 0:00:00")
        self._say("ppo_trainer.py:222", "Sample: ['What is 12 + 30?\\nassistant\\n12 + 30 = 42', 1.0]")
        training = self.spend(1.0, 1.3)
        reward, length = self.skill(step), self.length(step)
        self.by(
            POLICY,
            f"Train epoch [1/1]: {self.bar(8, 8, self.now - training)[:-1]}, act_loss=-0.0121, reward={reward:.3g}, "
            f"gen_len={length:.0f}, act_lr=5e-7, grad_norm=0.412]",
        )
        syncing = self.spend(0.2, 0.3)
        figures = rounded(
            {
                "policy_loss": self.near(-0.012, 0.01), "ppo_clip_ratio": self.near(0.005, 0.002),
                "ppo_kl": 0.0001 * step,
                "vllm_kl": self.near(0.0021, 0.0004), "reward": reward, "response_length": length,
                "total_length": length + 41.5, "kl": 0.0002 * step, "logprobs_diff": 0.011, "return": reward,
                "group_reward_std": self.near(0.31, 0.02), "entropy_loss": self.entropy(step), "actor_lr": 5e-7,
                "actor_grad_norm": self.near(0.41, 0.05), "rollout/reward_mean": reward, "rollout/reward_std": 0.44,
                "rollout/response_length_mean": length, "rollout/truncated_rate": 0.0156, "rollout/num_samples": 128,
                "timing/generation": generation, "timing/make_experience": making, "timing/ppo_train": training,
                "timing/broadcast": syncing, "timing/step_total": generation + making + training + syncing,
            }
        )  # fmt: skip
        self._say("ppo_trainer.py:541", f"Global step {step}: {figures}")

    def _evaluate(self, step: int) -> None:
        self._say("ppo_trainer.py:297", f"⏰ Evaluation start time: {stamp(self.now, '%Y-%m-%d %H:%M:%S')}")
        self.now += 2.0
        found = {
            "eval_arithmetic_pass1": round(self.skill(step), 6),
            "eval_arithmetic_pass4": round(self.skill(step) + 0.15, 6),
            "eval_arithmetic_response_length_mean": round(self.length(step), 4), "eval_num_samples": 64,
        }  # fmt: skip
        done = f"✨ Evaluation completed in 0:00:02, global_step {step}, eval_metrics: {found}"
        self._say("ppo_trainer.py:389", done)
