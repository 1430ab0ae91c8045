"""AReaL's files: which of them is read, and when its tables were written."""

from __future__ import annotations

import json
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

HEADER = "(AReaL) 20260520-13:06:54.500 StatsLogger INFO: Epoch 1/2 Step {0}/9 Train step {0}/18 done."
TABLE = """\
╒════════════════════════════╤════════════╤═════════════════════╤════════════╕
│ ppo_actor/task_reward/avg  │ 2.0000e-01 │ timeperf/train_step │ 3.0000e+01 │
├────────────────────────────┼────────────┼─────────────────────┼────────────┤
│ timeperf/rollout           │ 6.0000e+01 │ timeperf/eval       │ 1.0000e+01 │
╘════════════════════════════╧════════════╧═════════════════════╧════════════╛
"""
NOON = 1779282414.5  # 2026-05-20 13:06:54.5 UTC


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "me" / "gsm8k" / "trial0"
    folder.mkdir(parents=True)
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    return list(parse_paths([path], Rulebook(), timezone.utc))


def states(events: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    return {e["state"]: (e["start"], e["end"]) for e in events if e["type"] == "state"}


def test_a_table_is_laid_out_in_the_order_in_which_its_phases_ran(trial: Path) -> None:
    (trial / "main.log").write_text(HEADER.format(3) + "\n" + TABLE)
    events = read(trial)
    assert {e["time"] for e in events if e["type"] == "metric"} == {NOON}
    assert {e["step"] for e in events if e["type"] in ("metric", "state")} == {3}
    assert states(events) == {
        "rollout": (NOON - 100, NOON - 40),
        "update_actor": (NOON - 40, NOON - 10),
        "eval": (NOON - 10, NOON),
    }


def test_a_table_without_its_last_line_is_laid_out_all_the_same(trial: Path) -> None:
    (trial / "main.log").write_text(HEADER.format(3) + "\n" + TABLE.rpartition("╘")[0])
    assert states(read(trial))["rollout"] == (NOON - 100, NOON - 40)


def test_each_step_has_its_own_states(trial: Path) -> None:
    (trial / "main.log").write_text("".join(HEADER.format(n) + "\n" + TABLE for n in (1, 2)))
    events = read(trial)
    assert sorted(e["step"] for e in events if e["type"] == "state" and e["state"] == "eval") == [1, 2]


def test_merged_log_is_read_only_where_main_log_is_missing(trial: Path) -> None:
    (trial / "merged.log").write_text("[main]    " + HEADER.format(7) + "\n" + TABLE)
    events = read(trial)
    assert {e["step"] for e in events if e["type"] == "metric"} == {7}
    assert {e["time"] for e in events if e["type"] == "metric"} == {NOON}
    (trial / "main.log").write_text(HEADER.format(7) + "\n" + TABLE)
    assert {Path(e["file"]).name for e in read(trial) if e["type"] == "metric"} == {"main.log"}


def test_trajectories_carry_the_version_of_their_directory(trial: Path) -> None:
    (trial / "main.log").write_text(HEADER.format(3) + "\n" + TABLE)
    for name, reward in (("rollout/2/16.jsonl", 1.0), ("eval-rollout/3/4.jsonl", 0.0)):
        (trial / name).parent.mkdir(parents=True)
        record = {"task_id": 16, "sample_idx": 0, "tail_version": 2, "reward": reward, "completion": "OutOfMemoryError"}
        (trial / name).write_text(json.dumps(record) + "\n")
    events = read(trial)
    found = {(e["step"], e["phase"], e["reward_mean"]) for e in events if e["type"] == "rollouts"}
    assert found == {(2, "train", 1.0), (3, "eval", 0.0)}
    assert not [e for e in events if e["type"] == "problem"]
