"""Who waits for whom: the trainer's steps against the orchestrator's, and where each spends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rli_agent.answer.report import Share

#: A part of the step that is worth a word, and one that says that somebody waits.
WORTH, WAITING = 0.05, 0.1


def usual_seconds(usual: Mapping[str, Sequence[float]], lane: str, state: str) -> float | None:
    """What a state of a lane usually lasts. `usual`: durations by lane and state, joined by NUL (LifeState.usual)."""
    known = usual.get(f"{lane}\0{state}")
    return median(known) if known else None


def shares(usual: Mapping[str, Sequence[float]], steps: Mapping[str, tuple[str, float]]) -> list[Share]:
    """What part of its steps each lane spends in which state, the largest first. `steps`: the state that is a lane's
    whole step, and its seconds. What is not done at every step (checkpoints) counts accordingly less."""
    found = []
    for key, known in usual.items():
        lane, _, state = key.partition("\0")
        whole, seconds = steps.get(lane, ("", 0.0))
        if not seconds or state in ("step", whole):
            continue
        often = min(1.0, len(known) / max(1, len(usual.get(f"{lane}\0{whole}", known))))
        share = min(1.0, median(known) * often / seconds)
        if share >= WORTH:
            found.append(Share(lane, state, median(known), share))
    return sorted(found, key=lambda s: (s.lane != "trainer", -s.share))


def who_waits(parts: Sequence[Share], trainer: float | None, orchestrator: float | None) -> str | None:
    """Who waits for whom, in words. None where nobody does, or nothing tells."""
    for part in parts:
        if part.lane == "trainer" and part.state == "wait" and part.share >= WAITING:
            return f"the trainer waits for its batch {part.share:.0%} of the step"
    for part in parts:
        if part.lane != "trainer" and part.state in ("wait", "pause") and part.share >= WAITING:
            return f"{part.lane} waits for the trainer {part.share:.0%} of its step"
    if trainer and orchestrator:
        if orchestrator > 1.1 * trainer:
            return "rollouts take longer than the trainer's steps"
        if trainer > 1.1 * orchestrator:
            return "the trainer's steps take longer than rollouts"
    return None
