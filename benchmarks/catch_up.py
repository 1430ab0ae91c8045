"""CPU seconds and memory of `rli-agent watch --once` on a run that already stands there, beside mtail on the same text.

usage: catch_up.py [LOG_OR_DIR] [--progs MTAIL_PROGS_DIR] [--rounds 3]

Without a path it makes a log of its own: 200,000 lines, of which one in forty is a verl step line. Both are whole
processes,
run in turn (A B A B …); the medians are what to quote. mtail is taken from the PATH, and left out where it is not
there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

KEYS = [
    *(f"actor/{k}" for k in ("entropy", "kl_loss", "pg_loss", "pg_clipfrac", "ppo_kl", "grad_norm", "lr")),
    *(f"critic/{k}/{s}" for k in ("score", "rewards", "advantages", "returns") for s in ("mean", "max", "min")),
    *(f"response_length/{s}" for s in ("mean", "max", "min", "clip_ratio")),
    *(f"timing_s/{k}" for k in ("gen", "reward", "old_log_prob", "ref", "adv", "update_actor", "update_weights",
    "step")),
    "perf/throughput", "perf/mfu/actor", "training/global_step",
]  # fmt: skip


def make_log(path: Path, lines: int = 200_000) -> int:
    """A console log; the number of figures on its step lines."""
    chance, figures = random.Random(7), 0
    with path.open("w") as out:
        for i in range(lines):
            if i % 40 == 0:
                pairs = " - ".join(f"{key}:{chance.random() * 100!r}" for key in KEYS)
                out.write(f"\x1b[36m(TaskRunner pid=4242)\x1b[0m step:{i // 40} - {pairs}\n")
                figures += len(KEYS)
            else:
                out.write(
                    f'INFO:     10.0.0.{i % 250}:40{i % 1000:03d} - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
                )
    return figures


def cpu_seconds(command: list[str], **more: object) -> tuple[float, float]:
    """User and system time of a finished process, and its peak memory in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("path", nargs="?", type=Path)
    arguments.add_argument("--progs", type=Path)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.path
        if path is None:
            path = Path(folder) / "run"
            path.mkdir()
            print(f"{make_log(path / 'train.log'):,} figures in 200,000 lines")
        log = path if path.is_file() else next(p for p in sorted(path.rglob("*.log")))
        ours = [sys.executable, "-m", "rli_agent", "watch", "--once", "--listen", "none", "--state-dir"]
        theirs = [
            "mtail",
            "--one_shot",
            "--one_shot_format=prometheus",
            "--progs",
            str(options.progs),
            "--logs",
            str(log),
        ]
        times: dict[str, list[float]] = {"rli-agent": [], "mtail": []}
        memory: dict[str, float] = {}
        for number in range(options.rounds):
            seconds, memory["rli-agent"] = cpu_seconds([*ours, f"{folder}/state-{number}", str(path)])
            times["rli-agent"].append(seconds)
            if options.progs is not None and shutil.which("mtail"):
                seconds, memory["mtail"] = cpu_seconds([*theirs, "--address", "127.0.0.1", "--port", "19203"])
                times["mtail"].append(seconds)
        for name, found in times.items():
            if found:
                rounds = json.dumps([round(s, 2) for s in found])
                print(f"{name:10} {median(found):6.2f} CPU s (all: {rounds}), {memory[name]:.0f} MB")
        if times["mtail"]:
            print(f"rli-agent needs 1/{median(times['mtail']) / median(times['rli-agent']):.1f} of mtail's CPU time")


if __name__ == "__main__":
    main()
