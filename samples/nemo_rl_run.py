"""A short NeMo RL run (0.5, GRPO): the driver's console, blocks with bullets, no stamps."""

from __future__ import annotations

from rli_agent.samples.console_run import ConsoleRun
from rli_agent.samples.writing import Files, stamp

PHASES = (
    "Preparing batch...", "Generating responses for batch of size 128...", "Processing rewards...,",
    "Computing advantages...", "Preparing for logprob inference...", "Computing logprobs...",
    "Preparing for training...",
    "Training policy...",
)  # fmt: skip


class Run(ConsoleRun):
    console = "ray-driver.log"
    start = 1788598800.0  # 2026-09-05 09:00:00 UTC
    steps = 8

    def make(self) -> Files:
        self.files.untimed(self.console)
        self.put("\n▶ Setting up compute cluster...\n  ✓ Ray cluster for policy initialized\n")
        self.now += 1.5
        loaded = f"INFO {stamp(self.now, '%m-%d %H:%M:%S')} [loader.py:458] Loading weights took 0.41 seconds"
        self.by("VllmGenerationWorker pid=41990", loaded)
        rule = "=" * 60
        self.put(
            f"\n{rule}\n{'SETUP COMPLETE':>32}\n  Total setup time: 3.1s\n{rule}\n\n🔍 Running initial validation..."
        )
        self._validate(0)
        self.put(f"\n{'=' * 25} Epoch 1/1 {'=' * 25}")
        for step in range(1, self.steps + 1):
            self._step(step)
        self.put("\nMax number of steps has been reached, stopping training early")
        return self.files

    def _validate(self, step: int) -> float:
        self.put(f"▶ Starting validation at step {step}...")
        took = self.spend(0.9, 1.1)
        self.put(
            f"\n📊 Validation Results:\n    • Accuracy: {self.skill(step):.4f}\n"
            f"    • Average response length: {self.length(step):.1f} tokens\n    • Samples processed: 64\n\n"
            f"  ⏱️  Validation Timing:\n    • Total validation time: {took:.2f}s"
        )
        return took

    def _step(self, step: int) -> None:
        began = self.now
        self.put(f"\n{'=' * 25} Step {step}/{self.steps} {'=' * 25}")
        for phase in PHASES[:2]:
            self.put(f"▶ {phase}")
        times = {"prepare_for_generation/total": self.spend(0.2, 0.3), "generation": self.spend(1.4, 1.8)}
        for phase in PHASES[2:]:
            self.put(f"▶ {phase}")
        times |= {"reward_calculation": self.spend(0.01, 0.02), "advantage_calculation": self.spend(0.01, 0.02)}
        times |= {"policy_and_reference_logprobs": self.spend(0.3, 0.4), "training_prep": self.spend(0.1, 0.2)}
        times["policy_training"] = self.spend(0.9, 1.2)
        if step % 4 == 0:
            self._validate(step)
            self.put(f"Saving checkpoint for step {step}...")
            times["checkpointing"] = self.spend(0.6, 0.8)
        whole = self.now - began
        shares = "\n".join(
            f"  • {name}: {seconds:.2f}s ({100 * seconds / whole:.1f}%)"
            for name, seconds in sorted(times.items(), key=lambda item: -item[1])
        )
        tokens = self.length(step) + 41.5
        self.put(
            f"Logged data to logs/exp_001/train_data_step{step}.jsonl\n\n📊 Training Results:\n"
            f"  • Loss: {self.near(-0.01, 0.01):.4f}\n  • Generation KL Error: {self.near(0.0021, 0.0003):.4f}\n"
            f"  • Avg Reward: {self.skill(step):.4f}\n  • Mean Generation Length: {self.length(step):.4f}\n\n"
            f"⏱️  Timing:\n  • Total step time: {whole:.2f}s\n{shares}\n\n🔍 Performance Metrics:\n"
            f"  • Mean Total Tokens per Sample: {tokens:.2f}\n  • Throughputs (per GPU):\n"
            f"    - E2E (Samples/sec/gpu): {64 / whole:.2f}\n    - E2E (Tokens/sec/gpu): {64 * tokens / whole:.2f}"
        )
