"""Logs of a small prime-rl run (0.6 to 0.8), as tests need them: how many steps, how long ago, with what in them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

STEP = 20.0


def stamp(when: float) -> str:
    return f"\x1b[2m{datetime.fromtimestamp(when):%H:%M:%S}\x1b[0m"


def step_line(step: int, when: float, grad_norm: str = "0.0510") -> str:
    return (
        f"[trainer0]:{stamp(when)} \x1b[32mSUCCESS\x1b[0m Step {step} |   20.0s | Loss {step / 1000:.4f} | "
        f"Entropy 0.4{step % 10} | Mismatch KL 0.0005 | Grad. Norm {grad_norm} | LR 3.00e-06 | "
        f"Throughput {20000 + step} tokens/s | MFU 27.{step % 10}% | Peak Mem. 41.3 GiB\n"
    )


def batch_line(step: int, when: float, error: str = "0.0") -> str:
    return (
        f"{stamp(when)} SUCCESS Step {step} |   19.{step % 10}s | Reward 0.{step % 90 + 10} | "
        f"Trainable 12/16 (75.0%) | Turns 1.0 | Branches 1.0 | Max Off-Policy 1 | Error {error}% | "
        f"Truncation 1.{step % 10}%\n"
    )


def write_run(
    root: Path, steps: int = 30, *, ago: float = 5.0, max_steps: int = 100, last: Sequence[str] = (),
    error: str = "0.0", grad_norms: Sequence[str] = (),
) -> Path:  # fmt: skip
    """A run that has done `steps`, its last line written `ago` seconds ago; `last` are more lines of the trainer."""
    end = time.time() - ago
    begin = end - steps * STEP
    lines = [f"[trainer0]:{stamp(begin)}    INFO Starting training loop (max_steps={max_steps})\n"]
    norms = ["0.0510"] * (steps - len(grad_norms)) + list(grad_norms)
    lines += [step_line(n, begin + n * STEP, norms[n - 1]) for n in range(1, steps + 1)]
    lines += [f"[trainer0]:{stamp(end)} {line}\n" for line in last]
    batches = [batch_line(n, begin + n * STEP - 1.0, error) for n in range(1, steps + 1)]
    for name, text in (("trainer", lines), ("orchestrator", batches)):
        path = root / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(text))
        os.utime(path, (end, end))
    return root


def clock(second: int) -> str:
    """The time of day, so many seconds after a midnight."""
    return f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def step(number: int, second: int) -> str:
    """The trainer's line of a step, without colours."""
    return (
        f"{clock(second)} SUCCESS Step {number} | 5.5s | Loss {number / 1000:.4f} | Entropy 0.41 | Mismatch KL 0.0005 "
        "| Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB\n"
    )
