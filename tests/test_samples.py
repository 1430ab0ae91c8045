"""The sample runs: made by their script, small, and telling what runs tell."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from rli_agent.commands.demo import FRAMEWORKS
from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook
from rli_agent.samples.make_samples import RUNS, make

SAMPLES = Path(__file__).parents[1] / "samples"
#: Framework → its steps.
STEPS = {
    "areal": range(1, 10), "nemo-rl": range(1, 9), "openrlhf": range(1, 10), "prime-rl": range(1, 13),
    "skyrl": range(1, 9), "slime": range(8), "trl": range(1, 13), "verl": range(1, 15),
}  # fmt: skip
#: Framework → reward of training, entropy (which NeMo RL's console does not show).
TOLD = {
    "areal": ("ppo_actor/task_reward/avg", "ppo_actor/update/entropy/avg"),
    "nemo-rl": ("train/reward",),
    "openrlhf": ("train/reward", "train/entropy_loss"),
    "prime-rl": ("train/agg/effective/agent/reward/mean", "entropy/all/mean"),
    "skyrl": ("reward/avg_raw_reward", "policy/policy_entropy"),
    "slime": ("rollout/raw_reward", "train/entropy_loss"),
    "trl": ("train/reward", "train/entropy"),
    "verl": ("critic/rewards/mean", "actor/entropy"),
}


def contents(root: Path) -> dict[str, bytes]:
    files = (p for name in STEPS for p in (root / name).rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def parsed(framework: str) -> list[dict[str, Any]]:
    return list(parse_paths([SAMPLES / framework], Rulebook(), dt.timezone.utc))


def test_the_script_makes_what_ships(tmp_path: Path) -> None:
    make(tmp_path)
    assert contents(tmp_path) == contents(SAMPLES)


def test_they_are_small() -> None:
    assert sum(len(content) for content in contents(SAMPLES).values()) < 600_000


def test_the_demo_offers_all_of_them() -> None:
    assert sorted(FRAMEWORKS) == sorted(STEPS) == sorted(RUNS)


@pytest.mark.parametrize("framework", STEPS)
def test_they_learn(framework: str) -> None:
    """Reward up, entropy down from step to step; noise apart."""
    events = parsed(framework)
    for name, sign in zip(TOLD[framework], (1, -1), strict=False):
        course = {e["step"]: e["value"] for e in events if e["type"] == "metric" and e["name"] == name}
        assert sorted(course) == list(STEPS[framework])
        first, last = (sum(course[s] for s in steps) for steps in (sorted(course)[:4], sorted(course)[-4:]))
        assert sign * (last - first) / 4 > 0.05


@pytest.mark.parametrize("framework", STEPS)
def test_each_is_known_surely_and_tells_states_figures_and_no_problem(framework: str) -> None:
    events = parsed(framework)
    assert {"key": "framework", "value": framework}.items() <= events[0].items()
    assert events[0]["confidence"] > 0.85
    states = {e["state"] for e in events if e["type"] == "state" and e.get("duration_s", 0) > 0}
    assert states >= ({"step", "eval"} if framework == "trl" else {"rollout", "update_actor"})
    assert {e["metric"] for e in events if "metric" in e} >= {"rl_reward_mean"}
    assert not [e for e in events if e["type"] == "problem" and e["kind"] != "env_error"]


@pytest.mark.parametrize("framework", ["prime-rl", "verl"])
def test_they_hold_steps_a_checkpoint_an_evaluation_and_a_warning(framework: str) -> None:
    events = parsed(framework)
    states = [e for e in events if e["type"] == "state" and e.get("duration_s", 0) > 0]
    assert len([e for e in states if e["state"] == "step" and e["lane"] == "trainer"]) == len(STEPS[framework])
    assert {"rollout", "update_actor", "save_ckpt", "eval"} <= {e["state"] for e in states}
    assert {"train", "eval"} == {e["phase"] for e in events if e["type"] == "rollouts"}
    assert any("WARNING" in p.read_text() for p in (SAMPLES / framework).rglob("*.log"))
    assert not [e for e in events if e["type"] == "problem" and e["kind"] != "env_error"]
    assert ("life", "finished") in {(e.get("key"), e.get("value")) for e in events}
