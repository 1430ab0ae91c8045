"""The text of a run that is being written: prime-rl's trainer and orchestrator."""

from __future__ import annotations

import json
from pathlib import Path

from prime_rl_logs import clock


def stamp(second: int) -> str:
    """The time of day as prime-rl shows it: faint."""
    return f"\x1b[2m{clock(second)}\x1b[0m"


def trainer(step: int, second: int) -> str:
    return (
        f"[trainer0]:{stamp(second)} \x1b[32mSUCCESS\x1b[0m \x1b[1mStep {step} | {step % 50 + 1}.5s | "
        f"Loss {step / 1000:.4f} | Entropy 0.4{step % 10} | Mismatch KL 0.0005 | Grad. Norm 0.0{step % 7 + 1} | "
        f"LR 3.00e-06 | Throughput {20000 + step} tokens/s | MFU 27.{step % 10}% | Peak Mem. 41.3 GiB\x1b[0m\n"
    )


def orchestrator(step: int, second: int) -> str:
    return (
        f"{stamp(second)} SUCCESS Step {step} | {step % 40 + 1}.1s | Reward 0.{step % 90 + 10} | "
        f"Trainable 12/16 (75.0%) | Turns 1.0 | Branches 1.0 | Max Off-Policy 1 | Error 0.8% | "
        f"Truncation 1.{step % 10}%\n"
    )


def trouble(step: int, second: int) -> str:
    return (
        f"{stamp(second)}   ERROR Fatal error in train\nTraceback (most recent call last):\n"
        f'  File "train.py", line {step}, in f\n    g()\ntorch.OutOfMemoryError: CUDA out of memory. '
        f"Tried to allocate {step}.00 GiB. GPU 0 has a total capacity of 79.19 GiB\n"
    )


def script(steps: int, begun: int = 30000) -> list[tuple[str, str]]:
    """(file, text) in the order in which a run would write them; `begun`: the second of the day at which it did."""
    said: list[tuple[str, str]] = [
        ("logs/trainer.log", f"[trainer0]:{stamp(begun)}    INFO Starting training loop (max_steps={steps})\n"),
        ("logs/orchestrator.log", f"{stamp(begun - 1)}    INFO Starting orchestrator (algorithm: grpo)\n"),
        ("logs/orchestrator.log", f"{stamp(begun)}    INFO Starting orchestrator loop (max_steps={steps})\n"),
    ]
    for step in range(1, steps + 1):
        second = begun + 60 * step
        said.append(("logs/orchestrator.log", orchestrator(step, second)))
        said.append(("logs/trainer.log", trainer(step, second + 5)))
        said.append((f"rollouts/step_{step}/train/all/traces.jsonl", rollout()))
        if step % 7 == 0:
            said.append(("logs/orchestrator.log", trouble(step, second + 9)))
        if step % 5 == 0:
            said.append(
                ("logs/trainer.log", f"[trainer0]:{stamp(second + 10)}    INFO Saving checkpoint at step {step}\n")
            )
    return said


def write_run(root: Path, steps: int) -> None:
    """All that a run of so many steps writes."""
    for file, text in script(steps):
        write(root, file, text)


def rollout() -> str:
    records = [
        {"nodes": [], "rewards": {"a": 0.25 * i}, "env_name": "math", "errors": ["x"] if i == 3 else [], "ok": i != 3}
        for i in range(4)
    ]
    return "".join(json.dumps(record) + "\n" for record in records)


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as out:
        out.write(text)
