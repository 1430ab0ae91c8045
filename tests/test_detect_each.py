"""Every packaged detector is raised by what it is for, and stays silent on a healthy run that looks like it."""

# ruff: noqa: ARG005 - the lines of all runs have one form
from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from rli_agent.detect.engine import Engine
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import Reading

DETECTORS = {detector.name: detector for detector in packaged()}
#: A line of figures of a step, by the names that detectors know.
Line = Callable[[int, random.Random], dict[str, float]]
STEPS, ONSET = 240, 150


def raised(name: str, line: Line, seed: str) -> list[tuple[int, str]]:
    """(step, severity) of the detector's alerts."""
    rng = random.Random(seed)
    engine = Engine(DETECTORS.values())
    found: list[tuple[int, str]] = []
    for step in range(STEPS):
        readings = [Reading(key, key, "trainer", (), "f", step, None, v) for key, v in line(step, rng).items()]
        found += [(step, a.severity) for a in engine.record(readings) if a.detector == name and a.status == "firing"]
    return found


def near(rng: random.Random, value: float, noise: float = 0.06) -> float:
    return value * math.exp(rng.gauss(0.0, noise))


def grown(step: int, by: float, pace: float = 6.0) -> float:
    """1 before the onset, `by` some steps after it."""
    return by ** (1.0 - math.exp(-(step - ONSET + 1) / pace)) if step >= ONSET else 1.0


def climbing(step: int, rng: random.Random) -> float:
    """A reward that is learned."""
    return 0.2 + 0.6 * step / STEPS + rng.gauss(0.0, 0.02)


LOUD: dict[str, Line] = {
    "nan_loss": lambda t, r: {"rl_policy_loss": math.nan if t >= ONSET else r.gauss(0.0, 0.1)},
    "entropy_collapse": lambda t, r: {
        "rl_policy_entropy": near(r, 0.5) / grown(t, 12.0), "rl_reward_mean": 0.5 + r.gauss(0.0, 0.02),
    },
    "kl_explosion": lambda t, r: {"rl_policy_kl": near(r, 0.03) * grown(t, 15.0)},
    "grad_spike": lambda t, r: {"rl_grad_norm": near(r, 0.3) * (12.0 if t >= ONSET and t % 3 == 0 else 1.0)},
    "reward_collapse": lambda t, r: {"rl_reward_mean": climbing(t, r) if t < ONSET else 0.2 + r.gauss(0.0, 0.02)},
    "reward_hacking": lambda t, r: {
        "rl_reward_mean": 0.4 + r.gauss(0.0, 0.02) + (0.5 if t >= ONSET else 0.0),
        "rl_policy_kl": near(r, 0.02) * grown(t, 8.0), "rl_response_length_mean_tokens": near(r, 300.0) / grown(t, 3.0),
        "rl_reward_std": near(r, 0.4) / grown(t, 3.0),
    },
    "reward_plateau": lambda t, r: {"rl_reward_mean": 0.4 - 0.0004 * t + r.gauss(0.0, 0.02)},
    "length_explosion": lambda t, r: {
        "rl_response_length_mean_tokens": near(r, 400.0) * grown(t, 4.0), "rl_truncated_ratio": 0.02 * grown(t, 20.0),
    },
    "precision_mismatch": lambda t, r: {"rl_rollout_probs_diff_mean": near(r, 0.003 if t < ONSET else 0.02)},
    "advantage_collapse": lambda t, r: {"rl_advantage_std": near(r, 0.9) / grown(t, 20.0)},
    "throughput_drop": lambda t, r: {
        "rl_step_duration_seconds": near(r, 60.0) * grown(t, 2.5), "rl_response_length_mean_tokens": near(r, 400.0),
    },
    "starved": lambda t, r: {"run:wait_share": 0.8 if t >= ONSET else 0.3},
    "kv_cache_saturated": lambda t, r: {
        "rl_engine_kv_cache_usage_ratio": 0.99, "rl_engine_requests_waiting": 40.0 if t >= ONSET else 0.0,
    },
    "truncation": lambda t, r: {"rl_truncated_ratio": 0.7 if t >= ONSET else 0.1},
    "rollout_errors": lambda t, r: {"rl_errored_ratio": 0.2 if t >= ONSET else 0.01},
    "garbled_output": lambda t, r: {"run:rollout_garbled": 0.5 if t >= ONSET else 0.01},
    "staleness": lambda t, r: {"rl_off_policy_max_steps": 11.0 if t >= ONSET else 3.0},
    "problem_storm": lambda t, r: {"run:problems": 80.0 if t >= ONSET else 2.0},
    "checkpoint_overdue": lambda t, r: {"run:checkpoint_age": (t - ONSET) / 8.0 if t >= ONSET else (t % 20) / 20.0},
}  # fmt: skip

#: Healthy runs, each with what a naive threshold would take for the failure.
QUIET: dict[str, Line] = {
    "nan_loss": lambda t, r: {"rl_policy_loss": r.gauss(0.0, 50.0), "rl_reward_mean": math.nan},
    "entropy_collapse": lambda t, r: {  # it falls thirtyfold while the reward climbs
        "rl_policy_entropy": near(r, 0.5 * math.exp(-3.4 * t / STEPS)), "rl_reward_mean": climbing(t, r),
    },
    "kl_explosion": lambda t, r: {"rl_policy_kl": 0.0 if t == 0 else near(r, 0.1 * (1 - math.exp(-t / 40)))},
    "grad_spike": lambda t, r: {"rl_grad_norm": near(r, 0.3, 0.3) * (100.0 if t in (60, 120, 180) else 1.0)},
    "reward_collapse": lambda t, r: {"rl_reward_mean": climbing(t, r) - (0.06 if 100 < t < 120 else 0.0)},
    "reward_hacking": lambda t, r: {  # the reward jumps, and nothing else does
        "rl_reward_mean": 0.4 + r.gauss(0.0, 0.02) + (0.3 if t >= ONSET else 0.0), "rl_policy_kl": near(r, 0.02),
        "rl_response_length_mean_tokens": near(r, 300.0), "rl_reward_std": near(r, 0.4),
    },
    "reward_plateau": lambda t, r: {"rl_reward_mean": climbing(t, r)},
    "length_explosion": lambda t, r: {  # responses get longer all the time, as reasoning does
        "rl_response_length_mean_tokens": near(r, 400.0 * 6.0 ** (t / STEPS)), "rl_truncated_ratio": 0.02,
    },
    "precision_mismatch": lambda t, r: {"rl_rollout_probs_diff_mean": near(r, 0.004, 0.25)},
    "advantage_collapse": lambda t, r: {"rl_advantage_std": near(r, 0.9 - 0.3 * t / STEPS)},
    "throughput_drop": lambda t, r: {  # evaluations every tenth step, and steps as long as their responses
        "rl_step_duration_seconds": near(r, 60.0 * (4.0 if t % 10 == 9 else 1.0) * grown(t, 2.5)),
        "rl_response_length_mean_tokens": near(r, 400.0) * grown(t, 2.5),
    },
    "starved": lambda t, r: {"run:wait_share": 0.9 if t % 3 == 0 else 0.2},
    "kv_cache_saturated": lambda t, r: {  # full, and nobody waits; a queue for a moment
        "rl_engine_kv_cache_usage_ratio": 0.99, "rl_engine_requests_waiting": 9.0 if t % 20 < 10 else 0.0,
    },
    "truncation": lambda t, r: {"rl_truncated_ratio": 0.45 + r.gauss(0.0, 0.01)},
    "rollout_errors": lambda t, r: {"rl_errored_ratio": 0.3 if t % 8 == 0 else 0.01},
    "garbled_output": lambda t, r: {"run:rollout_garbled": 0.6 if t % 10 == 0 else 0.02},
    "staleness": lambda t, r: {"rl_off_policy_max_steps": 8.0},
    "problem_storm": lambda t, r: {"run:problems": 50.0},
    "checkpoint_overdue": lambda t, r: {"run:checkpoint_age": (t % 41) / 20.0},
}  # fmt: skip


def test_none_is_forgotten() -> None:
    assert set(LOUD) == set(QUIET) == set(DETECTORS)


@pytest.mark.parametrize("name", LOUD)
def test_it_is_raised_after_the_onset_and_not_before(name: str) -> None:
    for seed in range(5):
        found = raised(name, LOUD[name], f"{name} {seed}")
        assert found, seed
        if name != "reward_plateau":  # it has none
            assert ONSET <= found[0][0] <= ONSET + 30, (seed, found)


@pytest.mark.parametrize("name", QUIET)
def test_a_healthy_run_does_not_raise_it(name: str) -> None:
    for seed in range(5):
        assert raised(name, QUIET[name], f"{name} {seed}") == [], seed


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("times", [1e-3, 1e3], ids=["a thousandth", "a thousand times"])
def test_the_scale_of_a_reward_or_a_length_does_not_matter(name: str, times: float) -> None:
    free = {"rl_reward_mean", "rl_reward_std", "rl_grad_norm", "rl_response_length_mean_tokens"}
    free.add("rl_step_duration_seconds")

    def scaled(line: Line) -> Line:
        return lambda t, r: {k: v * times if k in free else v for k, v in line(t, r).items()}

    assert raised(name, scaled(QUIET[name]), name) == []
    assert raised(name, scaled(LOUD[name]), name) == raised(name, LOUD[name], name)
