"""What it costs to read a console log that already stands there, beside mtail, grep and wc on the same text.

usage: catch_up.py [--lines 1000000] [--rounds 3] [--log FILE [--program MTAIL_PROGRAM]] [--check] [--record]

CPU seconds (user + system) of whole processes that run in turn, A B C A B C …; medians. The agent keeps all figures in
its store; mtail keeps sixteen of them in memory (benchmarks/verl.mtail). Kinds of text: `mixed`, of which one line in
forty is a verl step line; `half`, every second; `noise`, none, once more with twice as many lines, since the difference
of the two is what a line costs without the start. mtail is left out where it is not on the PATH.

--check compares with the ratios in benchmarks/recorded.json, and ends with status 1 where one is worse by a quarter;
--record writes them there. --log measures on a log of your own instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from console_log import write

#: Share of step lines, and which part of the lines asked for.
KINDS = {"mixed": (0.025, 1.0), "half": (0.5, 0.1), "noise": (0.0, 1.0), "noise twice": (0.0, 2.0)}
HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"
#: How much worse than what was recorded a ratio may be: machines differ, and their neighbours do.
WORSE = 0.75


def cpu_seconds(command: list[str]) -> tuple[float, float]:
    """User and system time of a finished process, and its peak memory in MB."""
    with tempfile.TemporaryFile() as out:  # grep looks no further than the first line where its output goes nowhere
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status and command[0] != "grep":  # which found no line
        raise SystemExit(f"{command[0]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def contestants(log: Path, program: Path, state: str) -> dict[str, list[str]]:
    """Their command lines."""
    found = {
        "rli-agent": [
            sys.executable, "-m", "rli_agent", "watch", "--once", "--framework", "verl", "--listen", "none",
            "--state-dir", state, str(log),
        ],
        "mtail": [
            "mtail", "--one_shot", "--one_shot_format=prometheus", "--progs", str(program), "--logs", str(log),
            "--address", "127.0.0.1", "--port", "19203",
        ],
        "grep": ["grep", "-c", "step:", str(log)],
        "wc": ["wc", "-l", str(log)],
    }  # fmt: skip
    return {name: command for name, command in found.items() if name == "rli-agent" or shutil.which(command[0])}


def measure(kind: str, log: Path, program: Path, rounds: int) -> dict[str, float]:
    """Prints a line a contestant; returns the median CPU seconds of each."""
    times: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as state:
        for number in range(rounds):
            for name, command in contestants(log, program, f"{state}/{number}").items():
                seconds, memory[name] = cpu_seconds(command)
                times.setdefault(name, []).append(seconds)
    for name, found in times.items():
        rounds_taken = " ".join(f"{s:.2f}" for s in found)
        print(f"{kind:12} {name:10} {median(found):6.2f} CPU s ({rounds_taken}), {memory[name]:.0f} MB", flush=True)
    return {name: median(found) for name, found in times.items()}


def ratios(taken: dict[str, dict[str, float]]) -> dict[str, float]:
    """How many times as long mtail takes, by kind; `noise slope`: for the lines by which `noise twice` is longer."""
    found = {kind: t["mtail"] / t["rli-agent"] for kind, t in taken.items() if "mtail" in t}
    if "noise twice" in found:
        once, twice = taken["noise"], taken["noise twice"]
        found["noise slope"] = (twice["mtail"] - once["mtail"]) / (twice["rli-agent"] - once["rli-agent"])
        del found["noise twice"]
    return {kind: round(ratio, 1) for kind, ratio in found.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lines", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--log", type=Path)
    arguments.add_argument("--program", type=Path, default=HERE / "verl.mtail")
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--record", action="store_true")
    options = arguments.parse_args()
    taken: dict[str, dict[str, float]] = {}
    if options.log is not None:
        taken["own"] = measure("own", options.log, options.program, options.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for kind, (share, part) in KINDS.items():
                log = Path(folder, "train.log")
                write(log, int(options.lines * part), share)
                taken[kind] = measure(kind, log, options.program, options.rounds)
    found = ratios(taken)
    print("times mtail's speed: " + ", ".join(f"{kind} {ratio}" for kind, ratio in found.items()))
    if options.record:
        RECORDED.write_text(json.dumps(found, indent=2) + "\n")
    if options.check:
        if not RECORDED.exists():
            raise SystemExit(f"{RECORDED} is not there: --record writes it")
        recorded = json.loads(RECORDED.read_text())
        worse = [kind for kind, ratio in found.items() if ratio < WORSE * recorded.get(kind, 0.0)]
        if worse:
            raise SystemExit("; ".join(f"{k}: {found[k]} x mtail's speed, recorded {recorded[k]}" for k in worse))


if __name__ == "__main__":
    main()
