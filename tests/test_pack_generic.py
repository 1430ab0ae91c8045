"""The pack for trainers that nobody knows: what it reads, when, and that prose gives nothing."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")
UNKNOWN = """\
Starting on 8 GPUs, seed: 42, port: 29500
[2026-11-20 10:00:00] INFO: Step 1/5
[2026-11-20 10:00:01] INFO: loss: 0.512, reward_mean: 0.25, kl: 1e-4
[2026-11-20 10:00:03] INFO: step=2 loss=0.25 tokens_per_sec=1,234.5
{"step": 3, "loss": 0.125, "reward": 0.5}
[2026-11-20 10:00:05] INFO: Iteration 4/5 | loss 0.0625 | grad norm 1.5 | 1200 tok/s
Training: 100%|██████████| 5/5 [00:10<00:00,  1.00s/it, loss=0.03]
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
"""


def parsed(path: Path, framework: str | None = None) -> list[dict[str, Any]]:
    return list(parse_paths([path], Rulebook(), dt.timezone.utc, framework))


def figures(events: list[dict[str, Any]]) -> list[tuple[int | None, str, float]]:
    return [(e.get("step"), e["name"], e["value"]) for e in events if e["type"] == "metric"]


def test_an_unknown_trainer_s_console_is_read(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(UNKNOWN)
    events = parsed(tmp_path)
    assert figures(events) == [
        (1, "loss", 0.512), (1, "reward_mean", 0.25), (1, "kl", 1e-4), (2, "loss", 0.25), (2, "tokens_per_sec", 1234.5),
        (3, "loss", 0.125), (3, "reward", 0.5), (4, "loss", 0.0625), (4, "grad norm", 1.5), (5, "loss", 0.03),
    ]  # fmt: skip
    common = {e["metric"] for e in events if "metric" in e}
    assert common >= {"rl_loss", "rl_reward_mean", "rl_policy_kl", "rl_grad_norm"}
    assert [e["kind"] for e in events if e["type"] == "problem"] == ["cuda_oom"]
    assert ("max_steps", "5") in {(e.get("key"), e.get("value")) for e in events}


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "LICENSE"])


@pytest.mark.real
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_gives_nothing(page: Path, tmp_path: Path) -> None:
    """Pages about training, full of the words; examples of figures in them stand in code blocks, which are left out."""
    text = "".join(part for i, part in enumerate(page.read_text().split("```")) if i % 2 == 0)
    (tmp_path / "notes.log").write_text("\n".join(line for line in text.split("\n") if not line.startswith("    ")))
    assert figures(parsed(tmp_path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "The loss: 0.5 and the reward: 0.75 are fine", "I gave it a score: 5, because reward: 3 is low.",
        "Step 3 gave a reward of 5 points", "step 4: the reward is 3", "user: what is 3 + 4? loss=none",
        "loss: 0.5",
        "At 12:30:45 the reward: high, score: 10/10", "http://127.0.0.1:8000 accuracy: 1",
        "Accuracy, loss and 5 others",
        "def loss(x=1, y=2): return {'loss': x}", "Reward 5 | is | more", "| reward | 0.5 |", "score: 1-0, return: 2-1",
        "Step 4: reward and loss 3", "Iteration 2 - a score 5 to me",
    ],
)  # fmt: skip
def test_a_line_of_prose_gives_nothing(line: str, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(f"{line}\n")
    assert figures(parsed(tmp_path)) == []


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_leaves_known_frameworks_alone(framework: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(ROOT / "samples" / framework, run)
    before = figures(parsed(run))
    console = max(run.rglob("*.log"), key=lambda path: path.stat().st_size)
    with console.open("a") as file:
        file.write("\nmy own print: loss=0.5, reward=0.75\n")
    assert figures(parsed(run)) == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_engine_s_log_beside_the_trainer_s_changes_no_verdict(framework: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(ROOT / "samples" / framework, run)
    engine = ROOT / "samples" / "prime-rl"
    (log,) = engine.rglob("inference.log")
    shutil.copy(log, run / "vllm.log")
    events = parsed(run)
    assert {"key": "framework", "value": framework}.items() <= events[0].items()
    assert events[0]["confidence"] > 0.85
