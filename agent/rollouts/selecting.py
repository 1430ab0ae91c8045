"""Which rollouts are asked for, and what those of their step add up to."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.parsers.rollouts.reading import Reading, Rollout
from rli_agent.parsers.rollouts.tally import Tally
from rli_agent.parsers.rollouts.texts import whole
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.rollouts.records import Record, RolloutFile, newest_first, records

#: Steps that are looked through, from the newest on, for one with rollouts of the phase and environment asked for.
NEWEST = 20


class Wanted(Struct, frozen=True):
    """step: None is the newest. phase: None is train, and eval where nothing else is there. prompt: a text that the
    prompt holds. least, most: bounds of the reward. worst, best: how many of either end of the reward."""

    step: int | None = None
    phase: str | None = None
    environment: str | None = None
    errored: bool = False
    truncated: bool = False
    prompt: str | None = None
    worst: int = 0
    best: int = 0
    least: float | None = None
    most: float | None = None

    def fits(self, reward: float | None) -> bool:
        """Whether a reward lies in the bounds; where there are any, no reward does not."""
        if self.least is None and self.most is None:
            return True
        low, high = self.least, self.most
        return reward is not None and (low is None or reward >= low) and (high is None or reward <= high)


class Hit(NamedTuple):
    """A rollout that is asked for, and where it stands: the rollout of that number in the record."""

    file: RolloutFile
    line: int
    offset: int
    number: int
    reading: Reading
    rollout: Rollout


class Selection(Struct):
    """step, phase: of the rollouts. total: what all of them add up to. matching: how many of them are asked for; worst
    and best: some of these, those with the smallest reward first and those with the largest. unread: records that are
    no JSON, or too long."""

    step: int | None
    phase: str
    total: RolloutStatistics
    matching: int
    worst: list[Hit]
    best: list[Hit]
    unread: int


def select(files: Sequence[RolloutFile], wanted: Wanted) -> Selection:
    """Read the files of a step. Raises UserError where there are no such rollouts."""
    if not files:
        hint = "docs/rollouts.md says which files are read; pickles, such as slime writes, are never loaded"
        raise UserError("there are no rollout files here that a rule pack knows", hint)
    for phase in (wanted.phase,) if wanted.phase else ("train", "eval"):
        for step in _steps(files, wanted):
            found = _select([f for f in files if f.reader.step in (step, None)], wanted, step, phase)
            if found is not None:
                return found
    steps = sorted({f.reader.step for f in files if f.reader.step is not None})
    there = f"; there are steps {steps[0]} to {steps[-1]}" if steps else ""
    asked = f" of step {wanted.step}" if wanted.step is not None else ""
    of = f" of {wanted.environment}" if wanted.environment else ""
    raise UserError(f"no {f'{wanted.phase} ' if wanted.phase else ''}rollouts{asked}{of} were found{there}")


def by_step(files: Sequence[RolloutFile], wanted: Wanted) -> Iterator[tuple[int | None, str, RolloutStatistics]]:
    """What the rollouts asked for add up to at each step, in their order."""
    tallies: dict[tuple[int, str], Tally] = {}
    for file in files:
        if wanted.step is not None and file.reader.step not in (wanted.step, None):
            continue
        for record, reading in _readings(file):
            if reading is None:
                continue
            step_fits = wanted.step is None or reading.step == wanted.step
            if step_fits and wanted.phase in (None, reading.phase) and _is_asked(file, record, reading, wanted):
                key = (-1 if reading.step is None else reading.step, reading.phase)
                tallies.setdefault(key, Tally(0, 0, reading.step, reading.phase, "")).add(reading)
    for _, tally in sorted(tallies.items()):
        yield tally.step, tally.phase, tally.batch("").total


def _steps(files: Sequence[RolloutFile], wanted: Wanted) -> Sequence[int | None]:
    """The steps to try, the newest first. Where no path tells one, the records do: the newest of all."""
    if wanted.step is not None:
        return [wanted.step]
    told = dict.fromkeys(f.reader.step for f in newest_first(files) if f.reader.step is not None)
    if told:
        return list(told)[:NEWEST]
    steps = {reading.step for file in files for _, reading in _readings(file) if reading is not None}
    return [max((step for step in steps if step is not None), default=None)]


def _select(files: Sequence[RolloutFile], wanted: Wanted, step: int | None, phase: str) -> Selection | None:
    tally = Tally(0, 0, step, phase, "")
    worst: list[tuple[float, int, Hit]] = []
    best: list[tuple[float, int, Hit]] = []
    matching = unread = order = 0
    for file in files:
        for record, reading in _readings(file):
            if reading is None:
                unread += 1
                continue
            fits = reading.step == step and reading.phase == phase
            if not fits or wanted.environment not in (None, reading.environment):
                continue
            tally.add(reading)
            if not _is_asked(file, record, reading, wanted):
                continue
            for number, rollout in enumerate(reading.rollouts):
                if not wanted.fits(rollout.reward):
                    continue
                matching, order = matching + 1, order + 1
                hit = Hit(file, record.line, record.offset, number, reading, rollout)
                reward = -math.inf if rollout.reward is None or math.isnan(rollout.reward) else rollout.reward
                _keep(worst, (-reward, -order, hit), wanted.worst)
                if rollout.reward is not None:
                    _keep(best, (reward, -order, hit), wanted.best)
    if not tally.added.count:
        return None
    total = tally.batch("").total
    first = [hit for *_, hit in sorted(worst, key=lambda w: w[:2], reverse=True)]
    last = [hit for *_, hit in sorted(best, key=lambda w: w[:2], reverse=True)]
    return Selection(step, phase, total, matching, first, last, unread)


def _keep(heap: list[tuple[float, int, Hit]], item: tuple[float, int, Hit], most: int) -> None:
    """Keep the largest `most` items."""
    if len(heap) < most:
        heapq.heappush(heap, item)
    elif most and item[:2] > heap[0][:2]:
        heapq.heapreplace(heap, item)


def _is_asked(file: RolloutFile, record: Record, reading: Reading, wanted: Wanted) -> bool:
    if wanted.environment not in (None, reading.environment):
        return False
    if (wanted.errored and reading.error is None) or (wanted.truncated and not reading.truncated):
        return False
    return wanted.prompt is None or wanted.prompt in asked_text(file, record.data)


def asked_text(file: RolloutFile, data: bytes) -> str:
    """The prompts of a record's rollouts."""
    found = file.reader.find(data)
    if found is None:
        return ""
    schema, record = found
    return "\n".join(whole(text.raw) for part in schema.parts_of(record) for text in schema.texts(part)[0])


def _readings(file: RolloutFile) -> Iterator[tuple[Record, Reading | None]]:
    """What the records of a file say: None for one that is no JSON or too long. What is no rollout is left out."""
    try:
        for record in records(file.path):
            try:
                reading = file.reader.read(record.data) if record.data else None
            except (ValueError, OverflowError, RecursionError):
                yield record, None
                continue
            if reading is not None or not record.data:
                yield record, reading
    except (OSError, ValueError) as error:
        logger.warning("{}: cannot be read: {}", file.path, error)
