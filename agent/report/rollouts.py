"""Some of what the model wrote: of the last step with rollouts and of the first, from either end of the reward."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.query.rollouts import RolloutList, RolloutShown, rollouts
from rli_agent.rollouts.records import RolloutFile
from rli_agent.rollouts.selecting import Wanted

#: Rollouts of either end of the reward, at the last step and at the first.
LAST, FIRST = 3, 1


class Batch(Struct):
    """A step's rollouts: what they add up to, and the worst and the best of them."""

    title: str
    summary: str
    worst: list[RolloutShown]
    best: list[RolloutShown]


class Rollouts(Struct):
    """`why`: what is to be said where there is nothing to show."""

    batches: list[Batch]
    why: str = ""


def some_rollouts(files: Sequence[RolloutFile]) -> Rollouts:
    """The last step's, then the first step's."""
    if not files:
        return Rollouts([])
    batches = []
    steps = [file.reader.step for file in files if file.reader.step is not None]
    try:
        last = rollouts(list(files), Wanted(worst=LAST, best=LAST))
        batches.append(_batch(last, "Last step with rollouts", LAST))
        if steps and last.step is not None and min(steps) < last.step:
            first = rollouts(list(files), Wanted(step=min(steps), phase=last.phase, worst=FIRST, best=FIRST))
            batches.append(_batch(first, "First step with rollouts", FIRST))
    except UserError as error:
        return Rollouts(batches, "" if batches else str(error))
    return Rollouts(batches)


def _batch(found: RolloutList, title: str, each: int) -> Batch:
    step = f": step {found.step}" if found.step is not None else ""
    worst = found.rollouts[: min(each, found.matching)]
    shown = {(one.file, one.line, one.number) for one in worst}
    best = [one for one in found.rollouts[len(worst) :] if (one.file, one.line, one.number) not in shown]
    return Batch(f"{title}{step}, {found.phase}", found.answer, worst, best)
