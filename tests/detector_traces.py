"""Made-up metric traces of runs, healthy and failing, to tune detectors on and to hold them to their bars.

Families of runs differ in levels, noise and keys as real ones do: entropy of 0.3 nats that falls 30-fold while the
reward climbs, KL that starts at zero, lone spikes of the gradient norm, evaluations that lengthen single steps. A
failure sets in at some sample, fast or slowly, with its side effects. Then the trace may be thinned (logged every fifth
step), lose keys, or go back to a checkpoint.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

LABELS = (
    "entropy_collapse", "kl_explosion", "reward_hacking", "nan_loss", "grad_spike", "reward_plateau", "reward_collapse",
    "length_explosion", "precision_mismatch", "throughput_drop", "advantage_collapse",
)  # fmt: skip


class Family(NamedTuple):
    """Each figure with its relative noise (absolute that of the reward). entropy, reward, length: first, last, noise.
    kl: level reached. follows_length: power with which a step's time follows the length."""

    entropy: tuple[float, float, float]
    kl: tuple[float, float] | None
    reward: tuple[float, float, float]
    reward_std: float
    grad: tuple[float, float]
    length: tuple[float, float, float]
    seconds: tuple[float, float]
    advantage: tuple[float, float]
    diff: tuple[float, float] | None
    truncated: float
    follows_length: float = 0.0


FAMILIES = {
    "math": Family((0.5, 0.15, 0.03), (0.02, 0.1), (0.3, 0.75, 0.015), 0.5, (0.3, 0.16), (320, 350, 0.02),
                   (60, 0.045), (0.92, 0.014), (0.0022, 0.1), 0.02),
    "small": Family((1.9, 1.2, 0.05), (0.05, 0.25), (0.3, 0.95, 0.11), 0.45, (0.65, 0.5), (205, 200, 0.09),
                    (9, 0.1), (0.85, 0.12), None, 0.07),
    "long": Family((0.9, 0.5, 0.023), None, (-0.6, 0.4, 0.035), 0.9, (0.13, 0.16), (1100, 4200, 0.03),
                   (320, 0.07), (0.95, 0.022), (0.0027, 0.11), 0.09, 0.4),
    "async": Family((0.25, 0.22, 0.09), (0.0012, 0.45), (0.2, 0.55, 0.06), 0.47, (0.12, 0.33), (2300, 3100, 0.07),
                    (40, 0.33), (0.37, 0.085), (0.0042, 0.24), 0.03),
    "rm": Family((2.6, 2.0, 0.021), (5.0, 0.1), (-1.0, 3.0, 0.15), 1.8, (1.5, 0.25), (140, 165, 0.027),
                 (40, 0.05), (1.0, 0.023), None, 0.02),
    "agentic": Family((0.43, 0.34, 0.05), None, (0.01, 0.46, 0.03), 0.45, (0.19, 0.33), (4800, 9000, 0.07),
                      (450, 0.26), (0.7, 0.07), (0.0036, 0.16), 0.12, 0.9),
}  # fmt: skip


class Trace(NamedTuple):
    """`rows` of (step, metrics); `onset` is the index of the row in which the failure sets in."""

    family: str
    label: str
    onset: int | None
    rows: list[tuple[int, dict[str, float]]]


def healthy(rng: random.Random, family: str | None = None, length: int | None = None) -> Trace:
    """A run without failure."""
    name = family or rng.choice(list(FAMILIES))
    rows = _base(rng, FAMILIES[name], length or rng.randint(200, 480))
    _oddities(rng, rows)
    return _transformed(rng, Trace(name, "healthy", None, list(enumerate(rows, rng.randint(0, 1)))))


def failing(rng: random.Random, label: str, family: str | None = None) -> Trace:
    """A run that fails in the way that `label` says."""
    name = family or rng.choice([f for f in FAMILIES if _can(label, FAMILIES[f])])
    length = rng.randint(240, 480)
    onset = rng.randint(90, int(length * 0.62))
    rows = _base(rng, FAMILIES[name], length)
    if rng.random() < 0.5:
        _oddities(rng, rows)
    fail(rng, label, rows, onset)
    return _transformed(rng, Trace(name, label, onset, list(enumerate(rows, rng.randint(0, 1)))))


def _can(label: str, family: Family) -> bool:
    return not (label == "kl_explosion" and family.kl is None) and not (
        label == "precision_mismatch" and family.diff is None
    )


# -- a run as it should be


def _base(rng: random.Random, f: Family, n: int) -> list[dict[str, float]]:
    scale = {key: math.exp(rng.gauss(0, 0.2)) for key in ("entropy", "kl", "grad", "length", "seconds", "diff")}
    fall = rng.uniform(0.3, 2.0) * f.entropy[1] / f.entropy[0]
    entropy_pace, reward_pace, kl_pace = rng.uniform(0.1, 0.8) * n, rng.uniform(0.3, 1.2) * n, rng.uniform(0.1, 0.5) * n
    linear_kl, evaluate = rng.random() < 0.4, rng.choice([10, 20, 25, 50])
    fast_fall = rng.random() < 0.2
    rough = rng.uniform(0.2, 0.6)
    noise = {key: _Noise(rng, rough) for key in ("e", "k", "r", "g", "l", "s", "a", "d", "t", "c", "p")}
    rows = []
    for t in range(n):
        climb = (1 - math.exp(-t / reward_pace)) / (1 - math.exp(-n / reward_pace))
        reward = f.reward[0] + (f.reward[1] - f.reward[0]) * climb
        left = math.exp(-t / (entropy_pace * (0.3 if fast_fall else 1.0)))
        entropy = f.entropy[0] * scale["entropy"] * (min(1.0, fall * (0.1 if fast_fall else 1)) * (1 - left) + left)
        length = f.length[0] * scale["length"] * (f.length[1] / f.length[0]) ** climb
        seconds = f.seconds[0] * scale["seconds"] * (length / (f.length[0] * scale["length"])) ** f.follows_length
        slow = rng.uniform(1.4, 2.6) if t and t % evaluate == 0 else 1.0
        std = f.reward_std * (1 - 0.25 * climb) * math.exp(0.02 * noise["p"]())
        row = {
            "reward_mean": reward + f.reward[2] * noise["r"](),
            "reward_std": std * (1 + f.reward[2] * noise["p"]()),
            "entropy": entropy * math.exp(f.entropy[2] * noise["e"]()),
            "grad_norm": f.grad[0] * scale["grad"] * math.exp(f.grad[1] * noise["g"]()),
            "policy_loss": 0.01 * noise["c"](),
            "response_length_mean": length * math.exp(f.length[2] * noise["l"]()),
            "clip_ratio": 0.003 * math.exp(0.25 * noise["c"]()),
            "truncated_fraction": min(1.0, f.truncated * math.exp(0.3 * noise["t"]())),
            "advantage_std": f.advantage[0] * math.exp(f.advantage[1] * noise["a"]()),
            "step_seconds": seconds * slow * math.exp(f.seconds[1] * noise["s"]()),
        }
        if f.kl is not None:
            grown = t / n if linear_kl else 1 - math.exp(-t / kl_pace)
            row["kl"] = f.kl[0] * scale["kl"] * (grown + 0.02) * math.exp(f.kl[1] * noise["k"]())
        if f.diff is not None:
            row["rollout_probs_diff_mean"] = f.diff[0] * scale["diff"] * math.exp(f.diff[1] * noise["d"]())
        rows.append(row)
    return rows


class _Noise:
    """Normal noise whose neighbours are alike."""

    def __init__(self, rng: random.Random, rough: float) -> None:
        self._rng, self._rough, self._last = rng, rough, 0.0

    def __call__(self) -> float:
        fresh = math.sqrt(1 - self._rough**2) * self._rng.gauss(0, 1.25)
        self._last = self._rough * self._last + fresh
        return self._last


def _oddities(rng: random.Random, rows: list[dict[str, float]]) -> None:
    """What healthy runs do at times."""
    if rng.random() < 0.5:  # gradients that spike for one step
        for _ in range(rng.randint(1, max(2, len(rows) // 60))):
            rows[rng.randrange(len(rows))]["grad_norm"] *= 10 ** rng.uniform(0.8, 2.2)
    if rng.random() < 0.3:  # large gradients at the start
        for t in range(min(30, len(rows))):
            rows[t]["grad_norm"] *= 1 + 10 * math.exp(-t / 6)
            rows[t]["entropy"] *= 1 + 0.4 * math.exp(-t / 8)
    if rng.random() < 0.3:  # hard and easy data in turn
        period, depth = rng.uniform(30, 80), rng.uniform(0.02, 0.05)
        span = rows[-1]["reward_mean"] - rows[0]["reward_mean"]
        for t, row in enumerate(rows):
            wave = math.sin(2 * math.pi * t / period)
            row["response_length_mean"] *= 1 + depth * wave
            row["entropy"] *= 1 + depth * wave
            row["reward_mean"] -= depth * 2 * wave * abs(span)
    if rng.random() < 0.3:  # stragglers
        for row in rows:
            if rng.random() < 0.05:
                row["step_seconds"] *= rng.uniform(1.5, 5)


# -- failures


def fail(rng: random.Random, label: str, rows: list[dict[str, float]], onset: int) -> None:
    pace = 10 ** rng.uniform(0.0, 1.7)  # samples in which most of it happens: 1 … 50
    strength = rng.uniform(0.0, 1.0)
    level = {key: sorted(r[key] for r in rows[max(0, onset - 30) : onset])[15] for key in rows[0]}
    held = rows[onset]["reward_mean"]
    first = min(r["reward_mean"] for r in rows[:onset])
    gain = max(level["reward_mean"] - first, 0.05)
    for t in range(onset, len(rows)):
        row, done = rows[t], 1 - math.exp(-(t - onset + 1) / pace)
        stuck = level["reward_mean"] + (row["reward_mean"] - _smooth(rows, t, held))

        def times(key: str, factor: float, row: dict[str, float] = row, done: float = done) -> None:
            if key in row:
                row[key] *= factor**done

        if label == "entropy_collapse":
            times("entropy", 1 / (5 + 60 * strength))
            times("reward_std", 0.4)
            row["reward_mean"] = stuck - 0.15 * gain * done
        elif label == "kl_explosion":
            times("kl", 7 + 80 * strength)
            row["reward_mean"] = stuck - 0.3 * gain * done
        elif label == "reward_hacking":
            row["reward_mean"] += (0.8 + strength) * gain * done
            times("reward_std", 0.3)
            times("kl", 4 + 8 * strength)
            times("response_length_mean", 0.45 if strength < 0.6 else 2.2)
            times("entropy", 0.5)
        elif label == "nan_loss":
            if rng.random() < 0.9:
                row["policy_loss"] = rng.choice([math.nan, math.nan, math.inf])
                row["grad_norm"] = math.nan
            row["reward_mean"] -= gain * min(1.0, (t - onset) / 10)
        elif label == "grad_spike":
            if rng.random() < 0.5 + 0.5 * strength:
                row["grad_norm"] *= rng.uniform(8, 25)
        elif label == "reward_plateau":
            row["reward_mean"] = stuck
        elif label == "reward_collapse":
            row["reward_mean"] = stuck - (0.75 + 0.4 * strength) * gain * done
        elif label == "length_explosion":
            times("response_length_mean", 2.2 + 3 * strength)
            row["truncated_fraction"] = min(0.9, row["truncated_fraction"] + (0.3 + 0.3 * strength) * done)
            times("step_seconds", 1.5 + strength)
        elif label == "precision_mismatch":
            row["rollout_probs_diff_mean"] = (0.012 + 0.02 * strength) * math.exp(rng.gauss(0, 0.12))
            row["grad_norm"] *= 1 + (t - onset) / 40
        elif label == "throughput_drop":
            times("step_seconds", 1.8 + 1.5 * strength)
        elif label == "advantage_collapse":
            times("advantage_std", 0.05 + 0.1 * strength)
            times("reward_std", 0.06)
            times("grad_norm", 0.15)


def _smooth(rows: list[dict[str, float]], t: int, held: float) -> float:
    """The level of the reward around a sample, without what failures did to it."""
    window = [r["reward_mean"] for r in rows[t : t + 9]]
    return sum(window) / len(window) if window else held


# -- how it is logged


def _transformed(rng: random.Random, trace: Trace) -> Trace:
    rows, onset = trace.rows, trace.onset
    if rng.random() < 0.2:  # goes on from a checkpoint
        at = rng.randrange(60, len(rows))
        back = rng.randint(5, 40)
        again = [(step, dict(m)) for step, m in rows[at - back : at]]
        for _, metrics in again:
            for key in metrics:
                metrics[key] *= math.exp(rng.gauss(0, 0.01))
        if onset is None or at < onset or at - back > onset:
            rows = rows[:at] + again + rows[at:]
            onset = onset + back if onset is not None and at < onset else onset
    if rng.random() < 0.15:  # logged every fifth step
        rows = rows[4::5]
        onset = -((4 - onset) // 5) if onset is not None else None
    if rng.random() < 0.4:  # frameworks do not log everything
        gone = {key for key in sorted(rows[0][1].keys() - _NEEDED.get(trace.label, set())) if rng.random() < 0.3}
        rows = [(step, {k: v for k, v in m.items() if k not in gone}) for step, m in rows]
    return Trace(trace.family, trace.label, onset, rows)


#: Keys without which nobody could tell.
_NEEDED = {
    "entropy_collapse": {"entropy"}, "kl_explosion": {"kl"}, "nan_loss": {"policy_loss"}, "grad_spike": {"grad_norm"},
    "reward_hacking": {"reward_mean", "reward_std", "kl", "response_length_mean"}, "reward_plateau": {"reward_mean"},
    "reward_collapse": {"reward_mean"}, "length_explosion": {"response_length_mean"},
    "precision_mismatch": {"rollout_probs_diff_mean"}, "throughput_drop": {"step_seconds"},
    "advantage_collapse": {"advantage_std"},
}  # fmt: skip
