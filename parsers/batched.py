"""Steps of lines of figures that reached the file together.

A program whose output goes to a file or a pipe writes its lines in batches, and draws its bars at once: the bar before
a batch tells the step of the newest line only. transformers' Trainer logs every `logging_steps` steps, so that the
steps of the others follow where the lines come at equal distances and the epochs that they tell agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from rli_agent.events import TimeIs

#: Lines that wait for the end of their batch. Python's buffer holds 8 KiB, which are some dozens.
MOST = 1_000
#: Epochs are printed with two digits: so far may two of them be from their proportion.
_ROUNDED = 0.011


class Held(Struct):
    """Figures whose step a bar tells, by `slot` and `add`: the one on the next line, else the one before (`step`)."""

    slot: str
    add: int
    step: int | None
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    names: tuple[str, ...]
    units: tuple[str | None, ...]
    labels: dict[str, str]
    printed: str

    @property
    def trained(self) -> bool:
        """Whether it is logged every so many steps: no evaluation, no summary."""
        return not self.names[0].startswith(("eval/", "test/")) and not self.whole

    @property
    def whole(self) -> bool:
        """Whether it is of the whole training."""
        return self.names[0].endswith("train_runtime")

    @property
    def epoch(self) -> float | None:
        """The epoch that it tells."""
        at = next((i for i, name in enumerate(self.names) if name.rpartition("/")[2] == "epoch"), None)
        return None if at is None else float(msgspec.json.decode(self.printed)[at])


class Pace(Struct):
    """Step and epoch of the newest line of training, and how many steps lie between two of them."""

    last: int = 0
    epoch: float | None = None
    every: int | None = None

    def went(self, line: Held, step: int | None) -> None:
        """The step of a line is known."""
        if step is not None and line.trained:
            self.last, self.epoch = step, line.epoch


def steps_of(batch: Sequence[Held], pace: Pace, at_once: bool, total: int | None) -> list[int | None]:
    """The step of each line of a batch; None where it is not certain.

    at_once: the batch was written when its newest line was logged, not some steps later. total: steps of the training.
    """
    newest = batch[-1].step
    if newest is None:
        return [None] * len(batch)
    if newest < pace.last:
        pace.last, pace.epoch, pace.every = 0, None, None  # the run began anew
    trained = [line for line in batch if line.trained]
    unknown = [None] * (len(trained) - 1) + [newest]
    steps = iter(_evenly(trained, newest, pace, at_once, total) or unknown)
    found: list[int | None] = []
    for line in batch:
        if line.trained:
            found.append(next(steps))
            pace.went(line, found[-1])
        elif line.whole:
            found.append(newest)
        else:
            found.append(pace.last if pace.last and line.epoch == pace.epoch else None)
    return found


def _evenly(lines: Sequence[Held], newest: int, pace: Pace, at_once: bool, total: int | None) -> list[int] | None:
    """Steps at equal distances from the last one known up to the newest."""
    count, span = len(lines), newest - pace.last
    if not count or span < count:
        return None
    every = pace.every
    known = every is not None and count * every <= span < (count + 1) * every
    if every is None or not known:
        every = span // count
    steps = [pace.last + every * i for i in range(1, count + 1)]
    if not known and (steps[-1] != newest or not (at_once or _whole_epochs(lines[-1].epoch, newest, total, count))):
        return None
    if not _agree([line.epoch for line in lines], steps):
        return None
    pace.every = every
    return steps


def _whole_epochs(epoch: float | None, step: int, total: int | None, count: int) -> bool:
    """Whether the training would be of a whole number of epochs, if this epoch is of this step, and of no other number
    if it is of an earlier one: the last of `count` at equal distances, before the next would have come."""
    if epoch is None or total is None:
        return False
    epochs, rounded = epoch * total / step, _ROUNDED / 2 * total / step
    if rounded >= 0.25 or round(epochs) < 1 or abs(epochs - round(epochs)) > rounded:
        return False
    number = round(epochs) + 1
    while (latest := int((epoch + _ROUNDED) * total / number)) // count * (count + 1) > step:
        if latest // count * count >= (epoch - _ROUNDED) * total / number:
            return False
        number += 1
    return True


def _agree(epochs: Sequence[float | None], steps: Sequence[int]) -> bool:
    """Whether the epochs grow as the steps do."""
    last = epochs[-1]
    if last is None:
        return False
    return all(
        epoch is not None and abs(epoch - last * step / steps[-1]) <= _ROUNDED
        for epoch, step in zip(epochs, steps, strict=True)
    )
