"""W&B's files, written here by wandb without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from metric_files import in_pieces, parsed

_WANDB = """
import os, sys, wandb
run = wandb.init(project="sums", name="small", config={"max_steps": 9, "trainer": {"n": None}}, dir=sys.argv[1])
run.define_metric("train/global_step")
run.define_metric("*", step_metric="train/global_step", step_sync=True)
for i in range(5):
    run.log({"train/loss": 1 / (i + 1), "train/global_step": 2 * i, "train/text": "hello", "big": list(range(3)),
             "train/grad_norm": float("nan") if i == 3 else 0.5, "pad": "x" * 20_000})
run.summary["best"] = 0.9
run.finish(exit_code=int(sys.argv[2]))
"""


def wandb_run(folder: Path, exit_code: int = 0) -> Path:
    """What wandb itself writes without a network."""
    environment = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "HOME": str(folder)}
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [sys.executable, "-c", _WANDB, str(folder), str(exit_code)], check=True, env=environment, timeout=120
    )
    return next(folder.rglob("*.wandb"))


@pytest.mark.real
@pytest.mark.parametrize(("code", "life"), [(0, "finished"), (1, "failed")])
def test_wandb_files_give_history_summary_config_and_exit(code: int, life: str, tmp_path: Path) -> None:
    wandb_run(tmp_path / "run", code)
    events = parsed(tmp_path / "run")
    found = {(e.get("step"), e["name"]): e["value"] for e in events if e["type"] == "metric"}
    assert [found[step, "train/loss"] for step in range(0, 10, 2)] == [1, 0.5, 1 / 3, 0.25, 0.2]
    assert found[6, "train/grad_norm"] == "NaN"
    assert found[None, "best"] == 0.9
    assert {name for _, name in found} == {"train/loss", "train/grad_norm", "train/global_step", "best"}
    facts = {(e["key"], e["value"]) for e in events if e["type"] == "fact"}
    assert {("max_steps", "9"), ("life", life)} <= facts


@pytest.mark.real
def test_a_wandb_file_is_followed_and_its_torn_tail_waited_for(tmp_path: Path) -> None:
    whole = wandb_run(tmp_path / "written").read_bytes()
    found = in_pieces(tmp_path / "run", "run-1.wandb", whole, range(50, len(whole), 4_001))
    assert [step for step, _ in found if step is not None] == [0, 2, 4, 6, 8]
