"""A short AReaL run (1.0, GRPO): the controller's main.log, a table of figures a step."""

from __future__ import annotations

from rli_agent.samples.console_run import ConsoleRun
from rli_agent.samples.writing import Files, stamp

COLUMNS = 4


#: Where the run writes, below AReaL's root of all files.
DIR = "logs/ada/arithmetic-grpo/trial0"


class Run(ConsoleRun):
    console = f"{DIR}/main.log"
    start = 1788512400.0  # 2026-09-04 09:00:00 UTC
    steps = 9

    def make(self) -> Files:
        self.files.whole(
            f"{DIR}/config.yaml",
            "experiment_name: arithmetic-grpo\ntrial_name: trial0\ntotal_train_epochs: 1\n"
            f"total_train_steps: {self.steps}\nactor:\n  path: Qwen/Qwen2.5-0.5B-Instruct\n"
            "train_dataset:\n  batch_size: 32\n",
        )
        self._say("LocalScheduler", f"LocalScheduler initialized with GPU devices: [0, 1], log directory: {DIR}", 34)
        self.now += 1.5
        self._say("TrainController", "TrainController initialization complete", 37)
        self.now += 1.5
        for step in range(1, self.steps + 1):
            self._step(step)
        self._say("StatsLogger", f"Training completes! Total time elapsed {self.now - self.start:.2f}.", 92)
        return self.files

    def _say(self, who: str, message: str, colour: int, level: str = "INFO") -> None:
        when = stamp(self.now, "%Y%m%d-%H:%M:%S.%f")
        self.put(f"\x1b[1;38;2;180;140;80m(AReaL)\x1b[0m \x1b[{colour}m{when} {who} {level}: {message}\x1b[0m")

    def _step(self, step: int) -> None:
        waited = self.spend(1.4, 1.8)
        self._say("WorkflowExecutor", "Rollout results are ready!", 37)
        enqueued = f"enqueued: 3, running: 12, accepted: {32 * step}, rejected: 1."
        self._say("RolloutController", f"Finish and accept rollout. {enqueued}", 37)
        if step == 2:
            self._say("GSM8KReward", "Reward took 5.2 s, longer than usual", 33, "WARNING")
        times = {"rollout": waited, "ref_logp": self.spend(0.2, 0.3), "recompute_logp": self.spend(0.2, 0.3)}
        times |= {"compute_advantage": self.spend(0.01, 0.02), "train_step": self.spend(0.9, 1.1)}
        times["update_weights"] = self.spend(0.3, 0.4)
        if step == 5:
            times["save"] = self.spend(0.9, 1.1)
        if step in (4, 8):
            times["eval"] = self.spend(0.9, 1.1)
        reward, length = self.skill(step), self.length(step)
        figures: dict[str, float] = {
            "ppo_actor/task_reward/avg": reward, "ppo_actor/task_reward/max": 1.0, "ppo_actor/task_reward/min": 0.0,
            "ppo_actor/final_reward/avg": reward, "ppo_actor/advantages/avg": self.near(0.0, 0.01),
            "ppo_actor/kl_rewards/avg": 0.0, "ppo_actor/seq_len/avg": length + 41, "ppo_actor/prompt_len/avg": 41.0,
            "ppo_actor/correct_seq_len/avg": length + 36,
            "ppo_actor/no_eos_ratios/avg": 0.0116, "ppo_actor/n_seqs": 128.0,
            "ppo_actor/n_tokens": 128 * length, "ppo_actor/update/importance_weight/avg": 0.9998,
            "ppo_actor/update/actor_loss/avg": self.near(0.01, 0.005), "ppo_actor/update/clip_ratio/avg": 0.0077,
            "ppo_actor/update/entropy/avg": self.entropy(step), "ppo_actor/update/approx_kl/avg": -1.2e-05,
            "ppo_actor/update/behave_kl/avg": 0.00096, "ppo_actor/update/lr": 1.7e-05,
            "ppo_actor/update/grad_norm": self.near(0.35, 0.04), "ppo_actor/update/update_successful": 1.0,
            "rollout/reward": reward, **{f"timeperf/{name}": seconds for name, seconds in times.items()},
        }  # fmt: skip
        self._say("StatsLogger", f"Epoch 1/1 Step {step}/{self.steps} Train step {step}/{self.steps} done.", 92)
        self._say("StatsLogger", "Stats (1/1):", 92)
        self._say("StatsLogger", "\n" + _table(figures), 92)


def _table(figures: dict[str, float]) -> str:
    """A grid as tabulate's fancy_grid draws it, filled column by column."""
    cells = [(name, f"{value:.4e}") for name, value in figures.items()]
    rows = -(-len(cells) // COLUMNS)
    cells += [("", "")] * (rows * COLUMNS - len(cells))
    columns = [[c[i] for c in cells[k * rows : (k + 1) * rows]] for k in range(COLUMNS) for i in (0, 1)]
    widths = [max(map(len, column)) for column in columns]

    def rule(left: str, middle: str, right: str, line: str) -> str:
        return left + middle.join(line * (width + 2) for width in widths) + right

    body = [
        "│ " + " │ ".join(column[n].ljust(width) if k % 2 == 0 else column[n].rjust(width)
                          for k, (column, width) in enumerate(zip(columns, widths, strict=True))) + " │"
        for n in range(rows)
    ]  # fmt: skip
    between = "\n" + rule("├", "┼", "┤", "─") + "\n"
    return rule("╒", "╤", "╕", "═") + "\n" + between.join(body) + "\n" + rule("╘", "╧", "╛", "═")
