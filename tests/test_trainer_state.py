"""The history in the `trainer_state.json` of transformers' Trainer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, until
from metric_files import followed, parsed, told


def history(path: Path, steps: int, **more: Any) -> None:
    entries: list[dict[str, Any]] = [
        {"epoch": n / 10, "loss": n / 3, "reward": float("nan") if n == 2 else n, "step": n, "step_time": 2.0}
        for n in range(1, steps + 1)
    ]
    entries.append({"eval_loss": 0.25, "eval_runtime": 1.5, "step": steps})
    document = {"global_step": steps, "log_history": entries, "max_steps": 40, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def test_of_histories_that_repeat_each_other_the_longest_is_read(tmp_path: Path) -> None:
    for steps in (5, 10, 20):
        history(tmp_path / f"checkpoint-{steps}" / "trainer_state.json", steps)
    events = parsed(tmp_path)
    assert {"key": "framework", "value": "trl"}.items() <= events[0].items()
    assert {"key": "max_steps", "value": "40"}.items() <= events[1].items()
    losses = [e for e in events if e.get("name") == "train/loss"]
    assert [e["step"] for e in losses] == list(range(1, 21))
    assert {e["file"] for e in losses} == {"checkpoint-20/trainer_state.json"}
    assert [e["value"] for e in events if e.get("name") == "eval/loss"] == [0.25]
    assert [e["value"] for e in events if e.get("name") == "train/reward"][1] == "NaN"
    lines = (tmp_path / "checkpoint-20" / "trainer_state.json").read_text().split("\n")
    assert all(lines[e["line"] - 1].strip() == "{" for e in losses)


def test_a_history_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-8" / "trainer_state.json"
    history(path, 8)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    track = followed(tmp_path)
    assert told(track) == []
    path.write_bytes(whole)
    assert len(told(track)) == 9
    track.close()


@pytest.mark.real
def test_a_watch_tells_of_the_history_at_the_first_checkpoint_only(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    run = tmp_path / "run"
    history(run / "checkpoint-5" / "trainer_state.json", 5)
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says(r"metrics: checkpoint-5/trainer_state\.json \(the Trainer's history\)")
    (run / "checkpoint-5" / "chat_template.jinja").write_text("{% for message in messages %}{{ message }}{% endfor %}")
    for steps in (10, 15):
        history(run / f"checkpoint-{steps}" / "trainer_state.json", steps)
        until(lambda s=steps: f" {s / 3}" in agent.metrics(), f"the loss of step {steps}")  # type: ignore[misc]
    assert agent.end() == 0
    assert agent.output.count("the Trainer's history") == 1
    assert "jinja" not in agent.output
