"""SkyRL: the step that lines belong to, where none of them says it; evaluation files."""

from __future__ import annotations

import json
from datetime import timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rli_agent.events import Interval, Samples, Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook, packaged_rules

SOURCE = Source("driver.log", "trainer", packs=("skyrl",))
RAY = "(skyrl_entrypoint pid=7) "


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet([load_pack(packaged_rules() / "skyrl.yaml")], SOURCE)


def said(message: str, second: int = 0) -> str:
    return f"{RAY}2026-05-20 21:31:{second:02}.123 | INFO     | skyrl.train.trainer:train:312 - {message}\n"


def timer(name: str) -> str:
    return said(f"Started: '{name}'") + said(f"Finished: '{name}', time cost: 1.00s")


def step(generated: int = 1) -> str:
    """A step's lines; with dynamic sampling it takes several batches."""
    return (
        (said("Started: 'step'") + timer("generate") + said("Finished: 'step', time cost: 2.00s")) * (generated - 1)
        + said("Started: 'step'")
        + timer("generate")
        + said("Started: 'train_critic_and_policy'")
        + timer("policy_train")
        + said("Finished: 'train_critic_and_policy', time cost: 1.00s")
        + said("Finished: 'step', time cost: 4.00s")
        + said("{'policy_loss': 0.5}")
    )


def steps(rules: RuleSet, text: str, *states: str) -> list[int | None]:
    parser = SourceParser(SOURCE, rules, timezone.utc, 0.0)
    events = parser.feed(text.encode(), 0, 1)
    ended = [e for e in events if isinstance(e, Samples) or (isinstance(e, Interval) and e.duration is not None)]
    return [e.step for e in ended if not isinstance(e, Interval) or e.state in states]


def test_batches_that_dynamic_sampling_discards_are_no_steps(rules: RuleSet) -> None:
    text = said("No checkpoint found, starting training from scratch") + step(3) + step()
    assert steps(rules, text, "rollout", "update_actor") == [1, 1, 1, 1, 1, 2, 2, 2]


def test_a_resumed_and_a_fresh_run_in_one_file(rules: RuleSet) -> None:
    text = (
        said("Resuming from global_step: 12") + timer("eval") + step() + said("Total steps: 7") + timer("eval") + step()
    )
    assert steps(rules, text, "eval", "rollout") == [12, 13, 13, 0, 1, 1]


def test_a_log_without_its_beginning_takes_the_step_from_the_bar_once(rules: RuleSet) -> None:
    bars = [f"{RAY}\rTraining Batches Processed:  14%|#  | {n}/70 [03:20<20:00, 200.00s/it]\n" for n in (5, 9)]
    assert steps(rules, step() + bars[0] + step() + bars[1] + step(), "update_actor") == [None, None, 6, 6, 7, 7]


def test_evaluations_are_read_from_their_files_unless_the_console_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "exports" / "dumped_evals" / "global_step_4_evals"
    folder.mkdir(parents=True)
    (folder / "aggregated_results.jsonl").write_text('{"eval/all/avg_score": 0.65041}\n')
    record = {"input_prompt": "2+2?", "output_response": "4", "score": [0.0, 0.5, 0.5], "data_source": "openai/gsm8k"}
    (folder / "openai_gsm8k.jsonl").write_text(json.dumps(record) + "\n" + json.dumps({**record, "score": 0.0}) + "\n")
    console = tmp_path / "driver.log"
    console.write_text(said("No checkpoint found, starting training from scratch") + step())

    def read() -> list[dict[str, Any]]:
        return list(parse_paths([tmp_path], Rulebook(home=tmp_path), ZoneInfo("UTC")))

    events = read()
    assert events[0]["value"] == "skyrl"
    (batch,) = (e for e in events if e["type"] == "rollouts")
    assert (batch["step"], batch["phase"], batch["environment"], batch["count"], batch["reward_mean"]) == (
        4, "eval", "openai/gsm8k", 2, 0.5,
    )  # fmt: skip
    assert [(e["step"], e["value"]) for e in events if e.get("name") == "eval/all/avg_score"] == [(4, 0.65041)]

    logged = f"{RAY}2026-05-20 21:31:41.123 | INFO     | skyrl.train.utils.tracking:log:201 - Step 4: \n"
    console.write_text(
        console.read_text() + logged + f"{RAY}{{'eval/all/avg_score': '0.6504',\n{RAY} 'trainer/epoch': 0}}\n"
    )
    assert [e["value"] for e in read() if e.get("name") == "eval/all/avg_score"] == [0.6504]
