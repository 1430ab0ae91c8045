"""NeMo-RL's blocks without time stamps: which step they belong to, and when it ran."""

from __future__ import annotations

import json
import os
from datetime import timezone
from pathlib import Path
from typing import Any

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

ENDED = 1779282000.0
WORKER = "(VllmGenerationWorker pid=7) INFO 05-20 13:00:00 [loader.py:458] Model loading took 2.0 GiB and 3.0 seconds\n"


def block(epoch: int, step: int, seconds: float = 50.0) -> str:
    return f"""\
========================= Epoch {epoch}/3 =========================
========================= Step {step}/10 =========================
▶ Generating responses for batch of size 8...
▶ Training policy...

📊 Training Results:
  • Loss: 0.5000

⏱️  Timing:
  • Total step time: {seconds:.2f}s
  • policy_training: 20.00s (40.0%)
  • generation: 15.00s (30.0%)
  • checkpointing: 10.00s (20.0%)
  • prepare_for_generation/total: 3.00s (6.0%)
  • prepare_for_generation/transfer_and_update_weights: 1.00s (2.0%)
"""


def read(folder: Path, text: str) -> list[dict[str, Any]]:
    path = folder / "ray-driver.log"
    path.write_text(text)
    os.utime(path, (ENDED, ENDED))
    return list(parse_paths([folder], Rulebook(), timezone.utc))


def spans(events: list[dict[str, Any]], step: int) -> list[tuple[str, float, float]]:
    return [
        (e["state"], round(e["start"], 6), round(e["end"], 6))
        for e in events
        if e["type"] == "state" and e.get("step") == step and "duration_s" in e
    ]


def test_the_step_is_that_of_the_run(tmp_path: Path) -> None:
    events = read(tmp_path, block(1, 10) + block(2, 1) + block(3, 4))
    assert [e["step"] for e in events if e.get("name") == "train/loss"] == [10, 11, 24]


def test_the_states_of_a_block_are_laid_back_from_the_files_last_change(tmp_path: Path) -> None:
    events = read(tmp_path, block(1, 1, 60.0) + block(1, 2, 50.0))
    assert sorted(spans(events, 2), key=lambda s: (s[1], -s[2])) == [
        ("step", ENDED - 50, ENDED),
        ("weight_sync", ENDED - 50, ENDED - 47),
        ("weight_sync", ENDED - 50, ENDED - 49),
        ("rollout", ENDED - 47, ENDED - 32),
        ("update_actor", ENDED - 32, ENDED - 12),
        ("save_ckpt", ENDED - 10, ENDED),
    ]
    assert ("step", ENDED - 110, ENDED - 50) in spans(events, 1)


def test_a_workers_stamp_is_not_the_drivers(tmp_path: Path) -> None:
    events = read(tmp_path, WORKER + block(1, 1))
    assert {e["time"] for e in events if e.get("name") == "timing/train/generation"} == {ENDED}


def test_a_block_that_was_cut_is_laid_out_as_far_as_it_goes(tmp_path: Path) -> None:
    text = block(1, 1).rpartition("  • checkpointing")[0]
    assert ("rollout", ENDED - 50, ENDED - 35) in spans(read(tmp_path, text), 1)


def test_sample_files_give_their_rewards_and_no_problems(tmp_path: Path) -> None:
    record = {"content": ["▶ Training policy... torch.OutOfMemoryError"], "rewards": 1.0, "advantages": [0.5]}
    (tmp_path / "train_data_step3.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "val_data_step3.jsonl").write_text(json.dumps({**record, "rewards": 0.0}) + "\n")
    events = read(tmp_path, block(1, 3))
    batches = {(e["step"], e["phase"], e["reward_mean"]) for e in events if e["type"] == "rollouts"}
    assert batches == {(3, "train", 1.0), (3, "eval", 0.0)}
    assert not [e for e in events if e["type"] == "problem"]
