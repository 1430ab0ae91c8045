"""What a trainer notices of the agent: its share of a core while a log is followed, and the trainer's own step time.

    python benchmarks/beside_trainer.py [SECONDS]

A log grows by 10 and by 100 lines a second, of which one in forty is a step line; the share is that of all threads of
the agent, SECONDS long (20). Then a trainer that only computes, 20 to 30 ms a step and 5 lines each, runs on one core
with the agent. In turn, half a second each, the agent reads what the trainer writes, and is stopped while the trainer
writes elsewhere; the ratio is the median of those of one turn's median step to the next one's. Turns that short see the
same machine: over minutes its own speed changes by more than is measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

from console_log import write

#: Seconds until the agent has started, and has told the framework.
SETTLED = 8.0
#: Turns of the trainer with and without the agent, steps in each, and seconds before each.
TURNS, STEPS, PAUSE = 60, 20, 0.2


@contextmanager
def watching(run: Path, core: int | None = None) -> Iterator[int]:
    """An agent that watches the run; its process id."""
    command = [sys.executable, "-m", "rli_agent", "watch", "--plain", "--listen", "127.0.0.1:0"]
    with tempfile.TemporaryDirectory() as state:
        agent = subprocess.Popen(
            [*command, "--state-dir", state, run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if core is not None:
            os.sched_setaffinity(agent.pid, {core})
        try:
            yield agent.pid
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(30)


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used so far."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def share(lines: list[bytes], rate: float, seconds: float) -> float:
    """Percent of a core while so many lines a second come."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        run.mkdir()
        with (run / "train.log").open("ab", buffering=0) as log, watching(run) as agent:
            source = cycle(lines)

            def append(until: float) -> None:
                while (now := time.monotonic()) < until:
                    log.write(next(source))
                    time.sleep(max(0.0, now + 1 / rate - time.monotonic()))

            append(time.monotonic() + SETTLED)
            before, begun = cpu_seconds(agent), time.monotonic()
            append(begun + seconds)
            return 100 * (cpu_seconds(agent) - before) / (time.monotonic() - begun)


def steps(log: Path, lines: list[bytes]) -> list[float]:
    """Seconds of each step of a trainer on one core."""
    took = []
    source = cycle(lines)
    with log.open("ab", buffering=0) as out:
        for _ in range(STEPS):
            begun = time.perf_counter()
            total = 0
            for i in range(600_000):
                total += i * i
            for _ in range(5):
                out.write(next(source))
            took.append(time.perf_counter() - begun)
    return took


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.log")
        write(text, 20_000, 0.025)
        lines = text.read_bytes().splitlines(keepends=True)
        for rate in (10, 100):
            print(f"{rate} lines a second: {share(lines, rate, seconds):.2f} % of a core")
        run = Path(folder, "run")
        run.mkdir()
        core = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
        steps(run / "train.log", lines)
        with watching(run, core) as agent:
            time.sleep(SETTLED)
            beside: list[float] = []
            ratios = []
            for _ in range(TURNS):
                os.kill(agent, signal.SIGCONT)
                time.sleep(PAUSE)
                beside.append(median(steps(run / "train.log", lines)))
                os.kill(agent, signal.SIGSTOP)
                time.sleep(PAUSE)
                ratios.append(beside[-1] / median(steps(Path(folder, "unwatched.log"), lines)))
            os.kill(agent, signal.SIGCONT)
        print(f"a step of {1e3 * median(beside):.0f} ms beside the agent: {median(ratios):.3f} of one without it")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
