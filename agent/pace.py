"""How fast a run goes: what passes from one step to the next, and when it will have done them all."""

from __future__ import annotations

from collections import deque
from statistics import median

#: So many gaps are remembered.
KEPT = 50
#: A gap so many times the usual is a pause (a stall, a machine that was away), which says nothing of the steps to come;
#: an evaluation or a checkpoint, which come again, takes less.
PAUSE = 30.0
#: More than this is no gap between steps (seconds).
_LONGEST = 1e7


class Pace:
    """Learns from the steps of one run. A log may tell of each step, or of every n-th."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._stride = 1

    def passed(self, seconds: float, steps: int) -> None:
        """So many seconds passed while the step rose by `steps` (not at all or back: another attempt, another writer).

        Strides other than 1 count when they come twice running: writers that count otherwise may take turns.
        """
        regular = steps == 1 or steps == self._stride
        self._stride = steps
        if regular and steps > 0 and 0 < seconds < _LONGEST:
            self._gaps.append((seconds, steps))

    def knew(self, seconds: float, steps: int) -> None:
        """What was learned before, by another process."""
        self._gaps.append((seconds, max(1, steps)))

    @property
    def usual(self) -> float | None:
        """Seconds that a step usually takes."""
        return median(seconds / steps for seconds, steps in self._gaps) if self._gaps else None

    @property
    def mean(self) -> float | None:
        """Seconds a step on the whole, with what comes between steps now and then."""
        usual = self.usual
        if usual is None:
            return None
        told = [(seconds, steps) for seconds, steps in self._gaps if seconds <= PAUSE * usual * steps]
        return sum(seconds for seconds, _ in told) / sum(steps for _, steps in told)


def finish(left: int, a_step: float, last: float | None, now: float) -> float:
    """When the last of `left` steps will be done (Unix seconds), the newest having been done at `last`. A step that is
    late is taken to be done now."""
    after = (left - 1) * a_step
    return max(now, (last if last is not None else now) + a_step) + after
