"""What is remembered of a series: its newest samples, in the order of the run's steps."""

from __future__ import annotations

import math

from msgspec import Struct

from rli_agent.events import Labels

#: Samples kept of a series: the longest window that a detector may look at.
KEPT = 240
#: The run's first finite values that are kept for good: from where it began to climb.
EARLY = 12
#: Samples that another file must give in a row before it is believed that the run goes on there.
_TAKES_OVER = 3


class History(Struct):
    """A series: the figures that one writer gives under one name.

    `values` are the finite ones and `steps` theirs, `early` the very first; `seen` counts all samples, `dropped` the
    finite ones that are no longer kept. `broken` are the numbers (as `seen` counts) of the newest that were not finite.
    `step` is the newest one's. `file` is where it is read: another file that says the same is passed over, and
    `repeats` counts how often in a row.
    """

    name: str
    key: str
    role: str
    labels: Labels
    file: str
    steps: list[int | None] = []
    values: list[float] = []
    early: list[float] = []
    broken: list[int] = []
    seen: int = 0
    dropped: int = 0
    step: int | None = None
    time: float | None = None
    repeats: int = 0

    def add(self, value: float, step: int | None, time: float | None, file: str) -> bool:
        """Take in a sample. Steps that go back mean that the run resumed from a checkpoint: what came after that is
        forgotten. False for what another file has said already."""
        back = step is not None and self.step is not None and step <= self.step
        if back and file != self.file:
            self.repeats += 1
            if self.repeats < _TAKES_OVER:
                return False
        self.repeats, self.file, self.step = 0, file, step
        if back:
            self._forget(step)
        self.seen += 1
        self.time = time
        if not math.isfinite(value):
            self.broken.append(self.seen)
            del self.broken[:-KEPT]
            return True
        if len(self.early) < EARLY:
            self.early.append(value)
        self.values.append(value)
        self.steps.append(step)
        extra = len(self.values) - KEPT
        if extra > 0:
            del self.values[:extra], self.steps[:extra]
            self.dropped += extra
        return True

    def _forget(self, step: int | None) -> None:
        while self.steps and step is not None:
            last = self.steps[-1]
            if last is not None and last < step:
                break
            self.steps.pop()
            self.values.pop()

    def first(self, warmup: int) -> int:
        """Index of the first value that is none of the run's first `warmup` steps."""
        return 0 if self.dropped >= warmup else max(0, math.ceil(warmup / self.stride) - self.dropped)

    @property
    def stride(self) -> float:
        """Steps from one sample to the next, of late; 1 where samples have no steps."""
        steps = self.steps[-20:]
        if len(steps) < 2 or steps[0] is None or steps[-1] is None:
            return 1.0
        return max(1.0, (steps[-1] - steps[0]) / (len(steps) - 1))

    def broken_of(self, last: int) -> int:
        """How many of the last so many samples were not finite."""
        return sum(number > self.seen - last for number in self.broken)
