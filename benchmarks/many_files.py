"""What many files cost: the first reading, a restart, and watching them while nothing happens.

usage: many_files.py [logs] [runs] [rollouts] [--size N] [--seconds 30]

logs: 2,000 logs of one run. runs: 50 runs below one directory. rollouts: 100,000 rollout files in one directory. Each
is read by `rli-agent watch` from nothing, and again after a stop; then it is left alone for `--seconds`, by inotify and
by looking (a user namespace that may make no inotify instance). CPU in seconds, idle in percent of a core, peak memory
in MB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
#: No inotify for what is started here: the agent looks instead.
LOOKING = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
STEP = (
    "[trainer{rank}]:{time} SUCCESS Step {step} | 2.12s | Loss 0.{step:04d} | Entropy 0.4 | Mismatch KL 0.0005 | "
    "Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB\n"
)


def logs(root: Path, files: int = 2000) -> None:
    """One run with a log a rank."""
    folder = root / "logs"
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_text("12:00:00    INFO Starting RL trainer\n" + _steps(0))
    for rank in range(1, files):
        (folder / f"env_{rank:04d}.log").write_text(_steps(rank))


def runs(root: Path, count: int = 50) -> None:
    """Runs with 43 files each."""
    for number in range(count):
        logs(root / f"run-{number:02d}", 43)


def rollouts(root: Path, files: int = 100_000) -> None:
    """A verl run that keeps what its model wrote: a file a step."""
    folder = root / "rollouts"
    folder.mkdir(parents=True)
    (root / "train.log").write_text("(TaskRunner pid=1) step:1 - actor/entropy:0.5 - critic/score/mean:0.1\n")
    for step in range(files):
        record = {"input": "What is 1+1?", "output": "It is 2. " * 20, "gts": "2", "score": step % 2, "step": step}
        (folder / f"{step}.jsonl").write_text((json.dumps(record) + "\n") * 2)


SCENES: dict[str, Callable[[Path, int], None]] = {"logs": logs, "runs": runs, "rollouts": rollouts}
SIZES = {"logs": 2000, "runs": 50, "rollouts": 100_000}


def _steps(rank: int) -> str:
    return "".join(STEP.format(time=f"12:{step:02d}:00", rank=rank, step=step) for step in range(20))


class Agent:
    """A watch of `root`, and what it has used so far."""

    def __init__(self, root: Path, state: Path, before: list[str]) -> None:
        program = [str(Path(sys.executable).with_name("rli-agent")), "watch", str(root), "--plain"]
        arguments = ["--state-dir", str(state), "--listen", "none"]
        self.log, self.state = state.with_suffix(".log"), state
        with self.log.open("w") as out:
            self.process = subprocess.Popen([*before, *program, *arguments], stdout=out, stderr=out)

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def settle(self, files: int, limit: float = 900.0) -> tuple[float, float]:
        """Wait until it has read all files, has said how it stands, and has come to rest: 4 s at less than 5 %. The CPU
        and wall seconds until then."""
        begun, seen = time.monotonic(), [(0.0, 0.0)]
        while seen[-1][0] < limit:
            time.sleep(0.5)
            seen.append((time.monotonic() - begun, self.cpu()))
            quiet = len(seen) > 9 and seen[-1][1] - seen[-9][1] < 0.2
            if quiet and re.search(r"\bstep \d+", self.log.read_text()) and self.files_read() >= files:
                break
        wall, cpu = seen[-9]
        return cpu, wall

    def files_read(self) -> int:
        """How many files the stores hold the ends of."""
        count = 0
        for path in self.state.glob("runs/*/run.sqlite"):
            with (
                contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
                contextlib.suppress(sqlite3.OperationalError),  # its tables are being made
            ):
                count += db.execute("SELECT count(*) FROM sources WHERE offset > 0").fetchone()[0]
        return count

    def idle(self, seconds: float) -> float:
        before = self.cpu()
        time.sleep(seconds)
        return (self.cpu() - before) / seconds * 100

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        if self.process.returncode:
            raise SystemExit(self.log.read_text())


def measure(root: Path, state: Path, before: list[str], seconds: float) -> str:
    agent = Agent(root, state, before)
    cpu, wall = agent.settle(sum(len(files) for _, _, files in os.walk(root)))
    idle, peak = agent.idle(seconds), agent.peak()
    agent.stop()
    return f"{cpu:6.1f} s CPU, {wall:5.1f} s; idle {idle:5.2f} %; {peak:4.0f} MB"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenes", nargs="*", choices=[*SCENES, []], default=[])
    arguments.add_argument("--size", type=int)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--keep", type=Path, help="make the files here, and leave them")
    given = arguments.parse_args()
    for scene in given.scenes or SCENES:
        with tempfile.TemporaryDirectory(prefix="many-files-") as scratch:
            root = (given.keep or Path(scratch)) / scene
            if not root.exists():
                SCENES[scene](root, given.size or SIZES[scene])
            state = Path(scratch) / "state"
            print(f"{scene}, read:              {measure(root, state, [], given.seconds)}", flush=True)
            print(f"{scene}, again:             {measure(root, state, [], given.seconds)}", flush=True)
            if shutil.which("unshare"):
                print(f"{scene}, again, by looking: {measure(root, state, LOOKING, given.seconds)}", flush=True)


if __name__ == "__main__":
    main()
