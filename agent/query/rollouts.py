"""What the model wrote, from the run's own rollout files."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.parsers.rollouts.texts import Text, beginning, ending, whole
from rli_agent.rollouts.records import RolloutFile, record_at, rollout_file
from rli_agent.rollouts.selecting import Hit, Wanted, select
from rli_agent.rollouts.showing import answer, texts
from rli_agent.rulebook import Rulebook
from rli_agent.store import lookup
from rli_agent.store.rows import file_name

#: Bytes of files that one question may read; bytes of either end of a text in a list, and of a text shown whole.
MOST, SHOWN, WHOLE = 256 << 20, 4000, 1 << 20
#: Files of a run that are looked at, those added last; messages shown of either end of a conversation.
_FILES, _PIECES = 50_000, 20


class RolloutShown(Struct, frozen=True):
    """A rollout, with where it stands: the rollout of that `number` in the record at `line` (its first byte: `offset`)
    of `file`. `reward` is null where there is none that is finite. Texts are cut in their middle; a question for one
    rollout has them whole."""

    file: str
    line: int
    offset: int
    number: int
    step: int | None
    phase: str
    environment: str
    reward: float | None
    solved: bool | None
    figures: dict[str, float]
    truncated: bool
    cancelled: bool
    error: str | None
    prompt: list[str]
    completion: list[str]


class RolloutList(Struct, frozen=True):
    """Rollouts of a step, those with the smallest (or largest) reward first. `answer` says in a line how all of the
    step are, `count` how many; `matching`: those that were asked for, shown or not; `unread`: records that are no
    JSON."""

    step: int | None
    phase: str
    answer: str
    count: int
    matching: int
    unread: int
    rollouts: list[RolloutShown]


def files_of_run(db: sqlite3.Connection, book: Rulebook) -> list[RolloutFile]:
    """The rollout files that the agent has read of this run; no others can be asked for."""
    (root,) = db.execute("SELECT root FROM runs").fetchone() or (".",)
    framework = lookup.framework(db)
    packs = [book.packs[framework]] if framework in book.packs else list(book.packs.values())
    rows = db.execute("SELECT file FROM sources WHERE role = 'rollouts' ORDER BY id DESC LIMIT ?", (_FILES,)).fetchall()
    found = (rollout_file(Path(root, name), name, packs) for name in (file_name(key) for (key,) in rows))
    return [file for file in found if file is not None]


def newest_step(db: sqlite3.Connection, phase: str | None, environment: str | None) -> int | None:
    """The newest step with such rollouts; None where rollouts tell of none. Raises UserError where there are none."""
    where = "(?1 IS NULL OR phase = ?1) AND (?2 IS NULL OR environment = ?2)"
    rows = db.execute(f"SELECT count(*), max(step) FROM rollout_rows WHERE {where}", (phase, environment)).fetchone()
    if not rows[0]:
        named = " ".join(word for word in (phase, "rollouts", environment and f"of {environment}") if word)
        raise UserError(f"the run has no {named}", "docs/rollouts.md says which files are read")
    return None if rows[1] is None else int(rows[1])


def rollouts(files: list[RolloutFile], wanted: Wanted) -> RolloutList:
    """The rollouts asked for. Raises UserError where there are none, or too much would have to be read."""
    size = sum(_size(f.path) for f in files if f.reader.step in (wanted.step, None))
    if size > MOST:
        hint = "`rli-agent rollouts OUTPUT_DIR` reads them, whatever their size"
        raise UserError(f"{size >> 20} MiB would have to be read, more than the page does at once", hint)
    found = select(files, wanted)
    shown = [_shown(hit, SHOWN) for hit in (*found.worst, *found.best)]
    return RolloutList(
        found.step, found.phase, answer(found), found.total.count, found.matching, found.unread, shown
    )  # fmt: skip


def one_rollout(files: Iterable[RolloutFile], name: str, offset: int, number: int) -> RolloutShown:
    """A rollout with its whole texts. Raises UserError where there is none."""
    file = next((f for f in files if f.name == name), None)
    try:
        if file is not None and (reading := file.reader.read(record_at(file.path, offset))) is not None:
            return _shown(Hit(file, 0, offset, number, reading, reading.rollouts[number]), WHOLE)
    except (OSError, ValueError, IndexError, OverflowError, RecursionError):
        pass
    raise UserError("there is no such rollout (any more)", "list the rollouts of its step again")


def _shown(hit: Hit, limit: int) -> RolloutShown:
    reading, rollout = hit.reading, hit.rollout
    prompt, completion = texts(hit)
    reward = rollout.reward if rollout.reward is not None and math.isfinite(rollout.reward) else None
    return RolloutShown(
        hit.file.name, hit.line, hit.offset, hit.number, reading.step, reading.phase, reading.environment, reward,
        rollout.solved, rollout.figures, reading.truncated, reading.cancelled,
        None if reading.error is None else reading.error[:limit], _cut(prompt, limit), _cut(completion, limit),
    )  # fmt: skip


def _cut(pieces: list[Text], limit: int) -> list[str]:
    """The pieces of a conversation; of a long one those at its ends."""
    if len(pieces) <= 2 * _PIECES:
        return [_text(piece, limit) for piece in pieces]
    between = f"… [{len(pieces) - 2 * _PIECES} messages left out] …"
    return [*_cut(pieces[:_PIECES], limit), between, *_cut(pieces[-_PIECES:], limit)]


def _text(text: Text, limit: int) -> str:
    if len(text.raw) <= 2 * limit:
        return whole(text.raw)
    return f"{beginning(text.raw, limit)}… [{len(text.raw) - 2 * limit:,} bytes left out] …{ending(text.raw, limit)}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
