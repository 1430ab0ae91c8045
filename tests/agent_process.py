"""A `rli-agent watch` process for tests, and the text of a prime-rl run for it to read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition; fail with what was waited for."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for: {what}"
        time.sleep(0.01)


class Agent:
    """A `rli-agent watch` process (or another command's) whose output is collected in a file."""

    def __init__(
        self, folder: Path, *arguments: object, command: str = "watch", env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:  # fmt: skip
        self.log = folder / f"agent-{time.monotonic_ns()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", command, "--state-dir", str(folder / "state"),
                 *map(str, arguments)],
                stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "TZ": "UTC", **(env or {})}, cwd=cwd,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text()

    def says(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.output) or self.process.poll() is not None, pattern)
        assert re.search(pattern, self.output), self.output

    @property
    def url(self) -> str:
        self.says(r"metrics: http://\S+")
        return re.findall(r"metrics: (http://\S+)", self.output)[-1]

    def metrics(self) -> str:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return str(answer.read().decode())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


def store(folder: Path) -> Path:
    (path,) = folder.glob("state/runs/*/run.sqlite")
    return path


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a store says, without the times that depend on when a line was read."""
    known = "CASE time_is WHEN 'logged' THEN round({0}, 6) END"
    queries = {
        "samples": f"SELECT file, line, step, name, printed, labels, {known.format('time')} FROM samples",
        "intervals": "SELECT file, line, lane, state, step, round(duration, 6), key, "
        f"{known.format('start')}, {known.format('end')} FROM intervals".replace("(end", '("end"'),
        "problems": f"SELECT file, line, level, kind, message, count, {known.format('time')} FROM problems",
        "rollouts": "SELECT file, line, step, phase, environment, count, reward_count, reward_sum, errors "
        "FROM rollouts",
        "facts": "SELECT file, line, key, value FROM facts WHERE file <> '.'",
        "sources": "SELECT file, offset, line FROM sources WHERE offset IS NOT NULL",
    }
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {name: sorted(db.execute(query).fetchall(), key=repr) for name, query in queries.items()}


# -- a run that is being written: prime-rl's trainer and orchestrator, a verl-like console would have no stamps


def clock(second: int) -> str:
    return f"\x1b[2m{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}\x1b[0m"


def trainer(step: int, second: int) -> str:
    return (
        f"[trainer0]:{clock(second)} \x1b[32mSUCCESS\x1b[0m \x1b[1mStep {step} | {step % 50 + 1}.5s | "
        f"Loss {step / 1000:.4f} | Entropy 0.4{step % 10} | Mismatch KL 0.0005 | Grad. Norm 0.0{step % 7 + 1} | "
        f"LR 3.00e-06 | Throughput {20000 + step} tokens/s | MFU 27.{step % 10}% | Peak Mem. 41.3 GiB\x1b[0m\n"
    )


def orchestrator(step: int, second: int) -> str:
    return (
        f"{clock(second)} SUCCESS Step {step} | {step % 40 + 1}.1s | Reward 0.{step % 90 + 10} | "
        f"Trainable 12/16 (75.0%) | Turns 1.0 | Branches 1.0 | Max Off-Policy 1 | Error 0.8% | "
        f"Truncation 1.{step % 10}%\n"
    )


def trouble(step: int, second: int) -> str:
    return (
        f"{clock(second)}   ERROR Fatal error in train\nTraceback (most recent call last):\n"
        f'  File "train.py", line {step}, in f\n    g()\ntorch.OutOfMemoryError: CUDA out of memory. '
        f"Tried to allocate {step}.00 GiB. GPU 0 has a total capacity of 79.19 GiB\n"
    )


def script(steps: int) -> list[tuple[str, str]]:
    """(file, text) in the order in which a run would write them."""
    said: list[tuple[str, str]] = [
        ("logs/trainer.log", f"[trainer0]:{clock(30000)}    INFO Starting training loop (max_steps={steps})\n"),
        ("logs/orchestrator.log", f"{clock(29999)}    INFO Starting orchestrator (algorithm: grpo)\n"),
        ("logs/orchestrator.log", f"{clock(30000)}    INFO Starting orchestrator loop (max_steps={steps})\n"),
    ]
    for step in range(1, steps + 1):
        second = 30000 + 60 * step
        said.append(("logs/orchestrator.log", orchestrator(step, second)))
        said.append(("logs/trainer.log", trainer(step, second + 5)))
        said.append((f"rollouts/step_{step}/train/all/traces.jsonl", rollout()))
        if step % 7 == 0:
            said.append(("logs/orchestrator.log", trouble(step, second + 9)))
        if step % 5 == 0:
            said.append(
                ("logs/trainer.log", f"[trainer0]:{clock(second + 10)}    INFO Saving checkpoint at step {step}\n")
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
