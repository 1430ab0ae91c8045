"""slime's timers carry no rollout number: it comes from the trainer's own lines, whatever the engines do meanwhile."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path
from typing import Any

import pytest

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

TRAINER = "(MegatronTrainRayActor pid=29) [2026-06-03 21:15:{:02}] timer.py:32 - {}"
ROLLOUT = "(RolloutManager pid=23) [2026-06-03 21:15:{:02}] rollout_metrics.py:268 - {}"


def read(folder: Path, lines: list[str]) -> list[dict[str, Any]]:
    (folder / "console.txt").write_text("\n".join(lines) + "\n")
    return list(parse_paths([folder], Rulebook(), timezone.utc))


def steps(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(e["state"], e.get("step")) for e in events if e["type"] == "state" and e["lane"] == "trainer"]


def train(rollout: int, second: int) -> list[str]:
    return [
        TRAINER.format(second, "Timer train_wait end (elapsed: 9.0s)"),
        TRAINER.format(second, f"rollout {rollout}: {{'rollout/raw_reward': 0.5}}"),
        TRAINER.format(second, "Timer actor_train end (elapsed: 1.0s)"),
    ]


def perf(rollout: int, second: int) -> str:
    return TRAINER.format(second, f"perf {rollout}: {{'perf/train_time': 2.0}}")


def test_a_rollout_that_ends_during_training_changes_nothing(tmp_path: Path) -> None:
    done = [ROLLOUT.format(n, f"perf {n}: {{'perf/rollout_time': 1.0}}") for n in range(3)]
    update = TRAINER.format(9, "Timer update_weights end (elapsed: 1.0s)")
    first, second = train(0, 3), train(1, 6)
    events = read(tmp_path, [done[0], *first[:2], done[1], first[2], perf(0, 4), update, done[2], *second, perf(1, 8)])
    assert steps(events) == [
        ("wait", 0), ("update_actor", 0), ("weight_sync", 0), ("wait", 1), ("update_actor", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("known", [True, False])
def test_after_a_restart_the_numbers_go_on_from_the_checkpoint(tmp_path: Path, known: bool) -> None:
    before = [*train(8, 1), perf(8, 2)] if known else []
    loaded = ROLLOUT.format(3, "load metadata from /ckpt/rollout/global_dataset_state_dict_3.pt")
    wait = TRAINER.format(5, "Timer train_wait end (elapsed: 1.0s)")
    assert steps(read(tmp_path, [*before, loaded, wait]))[-1] == ("wait", 4)


def test_what_a_model_writes_is_nobodys_line(tmp_path: Path) -> None:
    samples = [
        "First rollout sample: ['torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.'], reward: 1.0",
        "Finish rollout: ['Timer train end (elapsed: 9.9s)'], label: 4, reward: 1.0",
    ]
    events = read(tmp_path, [*(ROLLOUT.format(1, s) for s in samples), *train(0, 3)])
    assert not [e for e in events if e["type"] == "problem"]
    assert [s for s, _ in steps(events)] == ["wait", "update_actor"]
