"""The agent as a process, its store, and lines of a prime-rl trainer for it to read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Agent:
    """A `rli-agent` process whose output is collected in a file."""

    def __init__(self, folder: Path, *arguments: object, url: str = "", wait: bool = False) -> None:
        self.log = folder / f"agent-{time.monotonic_ns()}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RLI_AGENT", "SLURM"))}
        env |= {"TZ": "UTC", "no_proxy": "127.0.0.1"} | ({"RLI_AGENT_WEBHOOK": url} if url else {})
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", *map(str, arguments)], stdout=out, stderr=subprocess.STDOUT, env=env
            )
        if wait:
            self.process.wait(PATIENCE)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    found = list(folder.glob("state/runs/*/run.sqlite"))
    if not found:
        return []
    with contextlib.closing(sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True, timeout=30)) as db:
        try:
            return db.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []


def attached(folder: Path) -> bool:
    """Whether the agent has read all that was there, and remembers that it did."""
    return query(folder, "SELECT 1 FROM knowledge WHERE name = 'life' AND json_extract(value, '$.attached')") != []


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def step(number: int, second: int) -> str:
    return (
        f"{clock(second)} SUCCESS Step {number} | 5.5s | Loss {number / 1000:.4f} | Entropy 0.41 | Mismatch KL 0.0005 "
        "| Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB\n"
    )
