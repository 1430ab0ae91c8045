"""What the made-up runs of one console have in common: a clock, dice, and how a policy that learns behaves."""

from __future__ import annotations

import random
from typing import Any

from rli_agent.samples.writing import Files, stamp


class ConsoleRun:
    """A run that prints all it says into one file. `now` is its clock in Unix seconds; times are UTC."""

    console = "train.log"
    start = 0.0
    steps = 8

    def __init__(self) -> None:
        self.files = Files()
        self.dice = random.Random(self.console + type(self).__module__)
        self.now = self.start

    def put(self, text: str) -> None:
        """A line, or several at once, as they stand in the file."""
        self.files.line(self.console, self.now, text)

    def by(self, writer: str, text: str) -> None:
        """A line of another process, as Ray shows it."""
        self.put(f"\x1b[36m({writer})\x1b[0m {text}")

    def spend(self, low: float, high: float) -> float:
        """Let time pass; how much it was."""
        seconds = self.dice.uniform(low, high)
        self.now += seconds
        return seconds

    def near(self, value: float, spread: float) -> float:
        return value + self.dice.uniform(-spread, spread)

    def skill(self, step: int) -> float:
        """The share of right answers, which grows."""
        return self.near(0.24 + 0.5 * step / (step + 6), 0.02)

    def entropy(self, step: int) -> float:
        return self.near(0.22 + 1.2 / (step + 5), 0.008)

    def length(self, step: int) -> float:
        return self.near(96 + 18 * step / (step + 8), 4)

    def ray_starts(self) -> None:
        """Ray's own first line, with the date."""
        clock = stamp(self.now, "%Y-%m-%d %H:%M:%S,%f")
        self.put(
            f"{clock}\tINFO worker.py:2013 -- Started a local Ray instance. View the dashboard at http://127.0.0.1:8265"
        )
        self.now += 1.0

    def bar(self, done: int, total: int, began: float) -> str:
        """tqdm's bar."""
        elapsed = self.now - began
        rate = f"{elapsed / done:5.2f}s/it" if done else "?it/s"
        left = clock(elapsed / done * (total - done)) if done else "?"
        cells = 10 * done // total
        drawn = "█" * cells + " " * (10 - cells)
        return f"{100 * done // total:3d}%|{drawn}| {done}/{total} [{clock(elapsed)}<{left}, {rate}]"

    def make(self) -> Files:
        raise NotImplementedError


def clock(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"


def rounded(figures: dict[str, Any], digits: int = 12) -> dict[str, Any]:
    """The figures, with fewer digits than floats have: small files."""
    return {key: round(value, digits) if isinstance(value, float) else value for key, value in figures.items()}
