"""The agent as a process, and what its store holds."""

from __future__ import annotations

import contextlib
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
from typing import Any

PATIENCE = 30.0


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition; fail with what was waited for."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for: {what}"
        time.sleep(0.01)


class Command:
    """A `rli-agent` process whose output is collected in a file; no variable of the agent reaches it but in `env`."""

    def __init__(
        self, folder: Path, *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None,
        wait: bool = False,
    ) -> None:  # fmt: skip
        self.log = folder / f"agent-{time.monotonic_ns()}.log"
        around = {k: v for k, v in os.environ.items() if not k.startswith(("RLI_AGENT", "SLURM"))}
        around |= {"TZ": "UTC", "no_proxy": "127.0.0.1", **(env or {})}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", *map(str, arguments)],
                stdout=out, stderr=subprocess.STDOUT, env=around, cwd=cwd,
            )  # fmt: skip
        if wait:
            self.process.wait(PATIENCE)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def says(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.output) or self.process.poll() is not None, pattern)
        assert re.search(pattern, self.output), self.output

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)


class Agent(Command):
    """A `rli-agent watch` (or another command) that keeps its stores in the folder."""

    def __init__(
        self, folder: Path, *arguments: object, command: str = "watch", env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(folder, command, "--state-dir", folder / "state", *arguments, env=env, cwd=cwd)

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
