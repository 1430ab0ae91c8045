"""Made-up metric traces of other kinds than those of `detector_traces`, which the detectors were not tuned on.

Any scale of reward, length and step; noise that wanders or has heavy tails; responses of which one in 25 is long;
evaluations that make steps five times as long; keys that are logged every fifth step; steps whose lines were lost;
resumed runs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from detector_traces import Trace, fail

KINDS = ("plain", "heavy tails", "long responses")


def healthy(rng: random.Random) -> Trace:
    """A run without failure, whose reward climbs all the time."""
    kind = rng.choice(KINDS)
    return Trace(kind, "healthy", None, _logged(rng, _rows(rng, rng.randint(200, 600), kind), None))


def failing(rng: random.Random, label: str) -> Trace:
    """A run that fails as `label` says."""
    kind = rng.choice(KINDS)
    rows = _rows(rng, rng.randint(260, 560), kind)
    onset = rng.randint(110, int(0.6 * len(rows)))
    fail(rng, label, rows, onset)
    logged = _logged(rng, rows, onset)
    first = next(index for index, (step, _) in enumerate(logged) if step >= onset)
    return Trace(kind, label, first, logged)


def _rows(rng: random.Random, length: int, kind: str) -> list[dict[str, float]]:
    scale, low = rng.choice([0.01, 1.0, 10.0, 100.0]), rng.uniform(-1.0, 0.5)
    entropy, fallen = 10 ** rng.uniform(-1.5, 0.7), rng.uniform(0.1, 0.9)
    tokens, grown = 10 ** rng.uniform(1.8, 4.0), rng.choice([0.6, 1.0, 1.3, 3.0])
    kl, grad, seconds = 10 ** rng.uniform(-3.5, 0.5), 10 ** rng.uniform(-2.0, 1.5), 10 ** rng.uniform(0.3, 3.0)
    every, rough = rng.choice([0, 10, 20, 50]), rng.uniform(0.02, 0.2)
    tails = rough * (0.5 if kind == "heavy tails" else 0.0)
    keys = ("reward", "std", "entropy", "kl", "grad", "length", "seconds", "advantage", "diff")
    wander = {key: _wandering(rng, rng.choice([0.0, 0.5, 0.8]), rough, tails) for key in keys}
    rows = []
    for t in range(length):
        done = t / length
        noise = {key: next(values) for key, values in wander.items()}
        many = tokens * grown**done * math.exp(0.5 * noise["length"])
        if kind == "long responses" and rng.random() < 0.04:
            many *= rng.uniform(2.0, 4.0)
        rows.append(
            {
                "reward_mean": scale * (low + 0.8 * done + 0.12 * noise["reward"]),
                "reward_std": 0.4 * scale * math.exp(0.3 * noise["std"]),
                "entropy": entropy * fallen**done * math.exp(noise["entropy"]),
                "kl": kl * (0.002 + 1.0 - math.exp(-t / 60)) * math.exp(noise["kl"]),
                "grad_norm": grad * math.exp(noise["grad"]) * (rng.uniform(5, 60) if rng.random() < 0.006 else 1.0),
                "policy_loss": rng.gauss(0.0, 0.02),
                "response_length_mean": many,
                "truncated_fraction": max(0.0, rng.gauss(0.03, 0.01)),
                "rollout_probs_diff_mean": 0.0025 * math.exp(0.5 * noise["diff"]),
                "advantage_std": 0.8 * math.exp(0.3 * noise["advantage"]),
                "step_seconds": seconds * math.sqrt(many / tokens) * math.exp(0.5 * noise["seconds"])
                * (5.0 if every and t % every == every - 1 else 1.0),
            }
        )  # fmt: skip
    return rows


def _wandering(rng: random.Random, like: float, size: float, tails: float) -> Iterator[float]:
    """Noise whose neighbours are alike, with some of heavy tails (Student's t of four degrees) on top."""
    now = 0.0
    while True:
        now = like * now + rng.gauss(0.0, size * math.sqrt(1.0 - like * like))
        spread = math.sqrt(sum(rng.gauss(0.0, 1.0) ** 2 for _ in range(4)) / 4.0)
        yield now + tails * rng.gauss(0.0, 1.0) / spread


def _logged(rng: random.Random, rows: list[dict[str, float]], onset: int | None) -> list[tuple[int, dict[str, float]]]:
    """As a framework wrote it down."""
    lines = list(enumerate(rows))
    how = rng.random()
    at = rng.randrange(80, len(lines) - 60)
    if how < 0.25:  # goes on from a checkpoint
        back = rng.randint(3, 50)
        if onset is None or not at - back <= onset <= at:
            again = lines[at - back : at]
            again = [(step, {k: v * math.exp(rng.gauss(0.0, 0.02)) for k, v in m.items()}) for step, m in again]
            lines = lines[:at] + again + lines[at:]
    elif how < 0.5:  # lines were lost
        lost = rng.randint(5, 50)
        if onset is None or not at <= onset <= at + lost:
            lines = lines[:at] + lines[at + lost :]
    sparse = rng.sample(["entropy", "kl", "advantage_std"], 1) if rng.random() < 0.3 else []
    return [(step, {k: v for k, v in m.items() if k not in sparse or step % 5 == 0}) for step, m in lines]
