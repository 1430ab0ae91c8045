"""Some of what the model wrote: of the last step with rollouts and of the first, from either end of the reward."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.parsers.rollouts.texts import Text, beginning, ending
from rli_agent.rollouts.records import RolloutFile
from rli_agent.rollouts.selecting import Hit, Selection, Wanted, select
from rli_agent.rollouts.showing import summary, texts

#: Rollouts of either end of the reward, at the last step and at the first.
LAST, FIRST = 3, 1
#: Bytes shown of a prompt's beginning, and of either end of a completion.
PROMPT, COMPLETION = 1500, 2000
#: Bytes of files without a step in their names that are gone through for a few rollouts.
MOST = 256 << 20


class Sample(Struct):
    """A rollout: `said` are its figures in words."""

    said: list[str]
    prompt: str
    completion: str
    error: str | None
    place: str


class Batch(Struct):
    """A step's rollouts: what they add up to, and the worst and the best of them."""

    title: str
    summary: str
    worst: list[Sample]
    best: list[Sample]


class Rollouts(Struct):
    """`why`: what is to be said where there is nothing to show."""

    batches: list[Batch]
    why: str = ""


def rollouts(files: Sequence[RolloutFile]) -> Rollouts:
    """The last step's, then the first step's."""
    if not files:
        return Rollouts([])
    if sum(_size(file) for file in files if file.reader.step is None) > MOST:
        return Rollouts([], "the rollout files are too large to go through here; `rli-agent rollouts` does")
    batches = []
    try:
        last = select(files, Wanted(worst=LAST, best=LAST))
        batches.append(_batch(last, "Last step with rollouts"))
        steps = [file.reader.step for file in files if file.reader.step is not None]
        if steps and last.step is not None and min(steps) < last.step:
            first = select(files, Wanted(step=min(steps), phase=last.phase, worst=FIRST, best=FIRST))
            batches.append(_batch(first, "First step with rollouts"))
    except UserError as error:
        return Rollouts(batches, "" if batches else str(error))
    return Rollouts(batches)


def _size(file: RolloutFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def _batch(found: Selection, title: str) -> Batch:
    step = f": step {found.step}" if found.step is not None else ""
    shown = {(hit.file.name, hit.line, hit.number) for hit in found.worst}
    best = [hit for hit in found.best if (hit.file.name, hit.line, hit.number) not in shown]
    return Batch(
        f"{title}{step}, {found.phase}", summary(found.total),
        [_sample(hit) for hit in found.worst], [_sample(hit) for hit in best],
    )  # fmt: skip


def _sample(hit: Hit) -> Sample:
    reading, rollout = hit.reading, hit.rollout
    said = [f"reward {rollout.reward:.4g}" if rollout.reward is not None else "no reward"]
    said += [reading.environment] if reading.environment else []
    tokens = rollout.figures.get("response_tokens")
    said += [f"{tokens:,.0f} tokens"] if tokens is not None else []
    marks = {
        "solved": rollout.solved, "truncated": reading.truncated, "cancelled": reading.cancelled,
        "empty": rollout.empty, "repetitive": rollout.repetitive, "garbled": rollout.garbled,
    }  # fmt: skip
    said += [name for name, is_so in marks.items() if is_so]
    prompt, completion = texts(hit)
    return Sample(
        said, _text(prompt, PROMPT, both=False), _text(completion, COMPLETION, both=True),
        reading.error[:2000] if reading.error is not None else None, f"{hit.file.name}:{hit.line}",
    )  # fmt: skip


def _text(pieces: Sequence[Text], limit: int, *, both: bool) -> str:
    """The pieces one after the other, as far as there is room."""
    said: list[str] = []
    for piece in pieces:
        if limit <= 0:
            said.append("… more pieces are left out …")
            break
        size = len(piece.raw) - 2
        shown = 2 * limit if both else limit
        if size <= shown:
            said.append(beginning(piece.raw, shown))
        else:
            end = ending(piece.raw, limit) if both else ""
            said.append(f"{beginning(piece.raw, limit)}\n… {size - shown:,} bytes are left out …\n{end}")
        limit -= size
    return "\n".join(said)
