"""Milliseconds from the write of a line to its value on /metrics, and to its row in the store.

    python benchmarks/latency.py [LINES] [SECONDS]

A trainer's step line is appended (200 of them unless told otherwise), and the page, or the store, is asked until it has
the step. The next line comes SECONDS later (0.1; with 0 each waits for the agent, which takes up a burst of lines every
20 ms). What is measured holds the asking itself: some 2 ms a page.
"""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rli_agent.samples import __path__ as samples

LINE = "[trainer0]:10:{:02d}:{:02d} SUCCESS Step {} | 1.5s | Loss 0.0040 | Entropy 0.41 | Grad. Norm 0.02\n"
PATIENCE = 10.0


def waited(condition: Callable[[], bool]) -> float:
    """Milliseconds until it holds."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() - begun > PATIENCE:
            raise SystemExit(f"not there after {PATIENCE:.0f} s")
    return (time.perf_counter() - begun) * 1e3


def main(lines: int, apart: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run, state = Path(folder, "run"), Path(folder, "state")
        shutil.copytree(Path(samples[0], "prime-rl"), run)
        log = next(run.glob("**/trainer.log"))
        agent = subprocess.Popen(
            [sys.executable, "-m", "rli_agent", "watch", "--listen", "127.0.0.1:0", "--state-dir", state, run],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert agent.stdout is not None
        url = next(found[1] for line in agent.stdout if (found := re.search(r"metrics: (http://\S+)", line)))
        try:
            for what in ("/metrics", "the store"):
                took = []
                for number in range(lines + 1):
                    step = 1000 + number + (lines + 1 if what == "the store" else 0)
                    if what == "/metrics":
                        shown = re.compile(rf"^rl_step\{{.*\}} {step}\.0$", re.MULTILINE)

                        def served(shown: re.Pattern[str] = shown) -> bool:
                            with urllib.request.urlopen(url) as page:
                                return shown.search(page.read().decode()) is not None
                    else:
                        (path,) = state.glob("runs/*/run.sqlite")
                        store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

                        def stored(step: int = step, store: sqlite3.Connection = store) -> bool:
                            return store.execute("SELECT 1 FROM lines WHERE step = ?", (step,)).fetchone() is not None

                    with log.open("a") as text:
                        text.write(LINE.format(number // 60 % 60, number % 60, step))
                    took.append(waited(served if what == "/metrics" else stored))
                    time.sleep(apart)
                del took[0]  # it waits for the agent to have read what stood there
                took.sort()
                middle, late = took[len(took) // 2], took[int(len(took) * 0.99) - 1]
                print(f"to {what}: p50 {middle:.1f} ms, p99 {late:.1f} ms, longest {took[-1]:.1f} ms ({lines} lines)")
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(30)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, float(sys.argv[2]) if len(sys.argv) > 2 else 0.1)
