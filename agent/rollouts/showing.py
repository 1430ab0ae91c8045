"""Rollouts as people read them at a terminal, and as JSON objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from rli_agent.parsers.rollouts.texts import Text, beginning, ending, whole, written
from rli_agent.printing import figures_object
from rli_agent.rollout_statistics import COUNTS, RolloutStatistics
from rli_agent.rollouts.records import record_at
from rli_agent.rollouts.selecting import Hit, Selection
from rli_agent.terminal import many

#: Bytes shown of the beginning of a prompt; of either end of a completion.
PROMPT, COMPLETION = 400, 800


def answer(found: Selection) -> str:
    """How the step's rollouts are, in one line."""
    step = f"step {found.step}, " if found.step is not None else ""
    unread = f"; {many(found.unread, 'line')} could not be read" if found.unread else ""
    return f"{step}{found.phase}: {summary(found.total)}{unread}"


def summary(total: RolloutStatistics) -> str:
    """What rollouts add up to, in words."""
    said = [f"{total.count} rollouts"]
    reward, tokens, chars = (total.figure(q) for q in ("reward", "response_tokens", "response_chars"))
    if reward.mean is not None:
        said.append(f"reward {reward.mean:.4g} ± {reward.std:.3g} ({reward.least:.4g} to {reward.most:.4g})")
    if total.pass_at_k is not None:
        said.append(f"{_percent(total.pass_at_k)} of {total.groups} prompts solved")
    if total.uniform_groups:
        said.append(f"{total.uniform_groups} of {total.groups} prompts without any spread of the reward")
    length, unit = (tokens, "tokens") if tokens.count else (chars, "characters")
    if length.mean is not None:
        said.append(f"{length.mean:.0f} {unit} a response (at most {length.most:.0f})")
    counted = ("truncated", "errors", "cancelled", "empty", "repetitive", "garbled", "identical")
    words = {"errors": "with errors"}
    said += [
        f"{_percent(count / total.count)} {words.get(name, name)}"
        for name in counted
        if total.count and (count := getattr(total, name))
    ]
    return ", ".join(said)


def table(steps: Iterable[tuple[int | None, str, RolloutStatistics]]) -> Iterator[str]:
    """A line a step."""
    for step, phase, total in steps:
        yield f"{'step ' + str(step) if step is not None else 'no step':>12}  {phase:5}  {summary(total)}"


def shown(hit: Hit, number: int, full: bool) -> Iterator[str]:
    """One rollout, in lines."""
    reading, rollout = hit.reading, hit.rollout
    figures = rollout.figures
    said = [f"reward {rollout.reward:.6g}" if rollout.reward is not None else "no reward"]
    said += [reading.environment] if reading.environment else []
    said += [many(round(figures[name]), unit) for name, unit in _UNITS.items() if name in figures]
    marks = {
        "solved": bool(rollout.solved), "truncated": reading.truncated, "cancelled": reading.cancelled,
        "empty": rollout.empty, "repetitive": rollout.repetitive, "garbled": rollout.garbled,
    }  # fmt: skip
    said += [name for name, is_so in marks.items() if is_so]
    yield f"{number}. {', '.join(said)}   ({hit.file.name}:{hit.line})"
    parts = [f"{name[5:]} {value:.4g}" for name, value in figures.items() if name.startswith("part:")]
    if len(parts) > 1:
        yield f"   reward parts: {', '.join(parts)}"
    if reading.error is not None:
        yield f"   error: {_short(reading.error)}"
    prompt, completion = texts(hit)
    yield from _text("prompt", [_whole_or(text, full, PROMPT, both=False) for text in prompt])
    yield from _text("completion", [_whole_or(text, full, COMPLETION, both=True) for text in completion])


_UNITS = {
    "response_tokens": "token", "response_chars": "character", "prompt_tokens": "prompt token", "turns": "turn",
    "seconds": "second",
}  # fmt: skip


def _short(text: str) -> str:
    line = " ".join(text[:2000].split())
    return line if len(line) <= 300 else f"{line[:300]} …"


def texts(hit: Hit) -> tuple[list[Text], list[Text]]:
    """What the model was asked, and what it wrote; empty where the file has changed since."""
    try:
        data = record_at(hit.file.path, hit.offset)
        found = hit.file.reader.find(data)
        schema, record = found if found is not None else (None, None)
        part = schema.parts_of(record)[hit.number] if schema is not None else None
    except (OSError, ValueError, IndexError, RecursionError):
        return [], []
    if schema is None:
        return [], []
    prompt, conversation = schema.texts(part)
    return prompt, written(conversation.texts)


def _whole_or(text: Text, full: bool, limit: int, *, both: bool) -> str:
    if full or len(text.raw) <= (2 if both else 1) * limit:
        return whole(text.raw)
    left = len(text.raw) - (2 if both else 1) * limit
    cut = f"… [{left:,} bytes left out; --full shows them] …"
    return f"{beginning(text.raw, limit)}{cut}{ending(text.raw, limit) if both else ''}"


def _text(name: str, pieces: list[str]) -> Iterator[str]:
    lines = [line for piece in pieces for line in piece.split("\n")]
    yield f"   {name}:" if any(line.strip() for line in lines) else f"   {name}: (none)"
    if any(line.strip() for line in lines):
        yield from (f"     {line}" for line in lines)


def selection_object(found: Selection) -> dict[str, Any]:
    """The answer as a JSON object."""
    said: dict[str, Any] = {"type": "rollouts", "step": found.step, "phase": found.phase}
    return said | statistics_object(found.total) | {"matching": found.matching, "unread": found.unread}


def statistics_object(total: RolloutStatistics) -> dict[str, Any]:
    """Counts, and of each quantity its count, mean, std, min and max."""
    ratios = {"solved_ratio": total.solved_ratio, "pass_at_k": total.pass_at_k}
    return {name: getattr(total, name) for name in COUNTS} | ratios | {"figures": figures_object(total)}


def hit_object(hit: Hit, full: bool) -> dict[str, Any]:
    """A rollout as a JSON object."""
    reading, rollout = hit.reading, hit.rollout
    prompt, completion = texts(hit)
    reward = rollout.reward if rollout.reward is None or math.isfinite(rollout.reward) else str(rollout.reward)
    return {
        "type": "rollout", "file": hit.file.name, "line": hit.line, "offset": hit.offset, "step": reading.step,
        "phase": reading.phase, "environment": reading.environment, "reward": reward, "solved": rollout.solved,
        "figures": rollout.figures, "truncated": reading.truncated, "cancelled": reading.cancelled,
        "error": reading.error, "empty": rollout.empty, "repetitive": rollout.repetitive, "garbled": rollout.garbled,
        "prompt": [_whole_or(text, full, PROMPT, both=False) for text in prompt],
        "completion": [_whole_or(text, full, COMPLETION, both=True) for text in completion],
    }  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.1%}"
