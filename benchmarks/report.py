"""Seconds and megabytes of `rli-agent report` on a run of verl that is over: 1,000 steps with rollouts.

usage: report.py [--steps 1000] [--rounds 3]

A whole process each time, which reads the logs anew. Medians are what to quote, of the processor's seconds on a busy
machine.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PHASES = {"gen": 41.0, "reward": 3.0, "old_log_prob": 6.5, "ref": 6.0, "adv": 0.4, "update_actor": 22.0}
KEYS = [
    *(f"actor/{k}" for k in ("kl_loss", "pg_clipfrac", "ppo_kl", "lr")), "perf/throughput", "perf/mfu/actor",
    *(f"critic/{k}/{s}" for k in ("advantages", "returns") for s in ("mean", "max", "min")),
    *(f"response_length/{s}" for s in ("mean", "max", "min", "clip_ratio")),
]  # fmt: skip


def write_run(folder: Path, steps: int) -> None:
    """A console log of step lines between lines that say nothing, with a slow step now and then, and rollouts."""
    chance, at = random.Random(7), 1_790_000_000.0
    (folder / "rollout_data").mkdir()
    with (folder / "train.log").open("w") as log:
        log.write(f"(TaskRunner pid=1) {{'trainer': {{'total_training_steps': {steps}, 'project_name': 'bench'}}}}\n")
        for step in range(1, steps + 1):
            slow = 4.0 if step % 197 == 0 else 1.0
            timing = {k: v * chance.uniform(0.9, 1.1) * (slow if k == "gen" else 1.0) for k, v in PHASES.items()}
            whole = sum(timing.values()) + 0.5
            at += whole + 0.2
            figures = {f"timing_s/{k}": v for k, v in timing.items()} | {"timing_s/step": whole}
            figures |= {key: chance.random() for key in KEYS}
            figures["critic/rewards/mean"] = 1 - math.exp(-step / 300) + chance.gauss(0, 0.03)
            figures["actor/entropy"] = 0.5 * math.exp(-step / 400) + chance.gauss(0, 0.005)
            figures["actor/grad_norm"] = math.exp(chance.gauss(-1, 0.4))
            pairs = " - ".join(f"{key}:{value!r}" for key, value in figures.items())
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
            log.write(f"(TaskRunner pid=1) {stamp} step:{step} - {pairs}\n")
            for i in range(20):
                log.write(f'(WorkerDict pid={i}) INFO:     10.0.0.{i}:4021 - "POST /generate HTTP/1.1" 200 OK\n')
            with (folder / "rollout_data" / f"{step}.jsonl").open("w") as rollouts:
                for i in range(16):
                    rollouts.write(
                        f'{{"input": "What is {i} + {step}?", "output": "It is {i + step}. ", "score": {i % 2}.0, '
                        f'"step": {step}}}\n'
                    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run, report = Path(name) / "run", Path(name) / "report.html"
        run.mkdir()
        write_run(run, options.steps)
        took, used = [], []
        for _ in range(options.rounds):
            began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "rli_agent", "report", str(run), "-o", str(report)], check=True,
                stdout=subprocess.DEVNULL, env=os.environ | {"RLI_AGENT_STATE_DIR": str(Path(name) / "state")},
            )  # fmt: skip
            took.append(time.monotonic() - began)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        size = report.stat().st_size / 1e6
        print(f"{options.steps} steps: {median(took):.2f} s, {median(used):.2f} s of a processor, {size:.2f} MB")


if __name__ == "__main__":
    main()
