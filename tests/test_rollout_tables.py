"""TRL's completions in parquet: read where pyarrow is, told of where it is not, and nothing broken stops the agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pytest
from pyarrow import parquet

from rli_agent.cli import main
from rli_agent.parsers.rollouts.tables import rows, whole
from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

#: Hides pyarrow from Python's search for modules.
WITHOUT = """
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == "pyarrow" else found(name, *rest))
"""


def table(path: Path, step: int, **more: list[object]) -> None:
    columns: dict[str, list[Any]] = {
        "step": [step] * 4, "prompt": ["1+1?", "1+1?", [{"role": "user", "content": "2+2?"}], "3+3?"],
        "completion": ["2", "3", "4", ""], "correct": [1.0, 0.0, 1.0, None], "short": [0.5, 0.25, 0.5, 0.0],
        "advantage": [1.0, -1.0, 0.0, 0.0],
    }  # fmt: skip
    columns["prompt"] = [json.dumps(p) if isinstance(p, list) else p for p in columns["prompt"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns | more), path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (1, 2):
        table(tmp_path / f"completions/completions_{step:05d}.parquet", step)
    figures = {"loss": 0.5, "completions/mean_length": 5.0, "frac_reward_zero_std": 0.0}
    (tmp_path / "train.log").write_text(f"{figures}\n" * 2)
    return tmp_path


def test_a_table_gives_one_batch_and_no_figures(run: Path) -> None:
    events = list(parse_paths([run], Rulebook([run]), ZoneInfo("UTC")))
    told = [e for e in events if e["type"] == "rollouts"]
    assert [(e["step"], e["count"], e["empty"], e["groups"]) for e in told] == [(1, 4, 1, 1), (2, 4, 1, 1)]
    assert told[0]["reward_mean"] == (1.5 + 0.25 + 1.5 + 0.0) / 4
    assert told[0]["figures"]["part:correct"] == {"count": 3, "mean": 2 / 3, "std": pytest.approx(0.4714, abs=1e-4),
                                                  "min": 0.0, "max": 1.0}  # fmt: skip
    assert not [e for e in events if e["type"] == "metric" and e["file"].endswith(".parquet")]


def test_its_completions_can_be_looked_at(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollouts", str(run), "--worst", "1", "--best", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("step 2, train: 4 rollouts, reward 0.8125")
    assert "completions_00002.parquet:4" in said
    assert "1+1?" in said


def test_a_table_that_is_being_written_is_waited_for(run: Path) -> None:
    data = (run / "completions/completions_00001.parquet").read_bytes()
    assert whole(b"x" * 7 + data, 7, 7) == (len(data) + 7, 1)
    for cut in (3, 4, 100, len(data) - 1):
        assert whole(data[:cut], 0, 0)[0] > cut


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:4] + b"\0" * 200 + d[-4:], lambda d: d[:60] + b"\xff" * 40 + d[100:]], ids=["end", "page"]
)
def test_a_broken_table_is_passed_over(run: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = run / "completions/completions_00001.parquet"
    path.write_bytes(spoil(path.read_bytes()))
    events = list(parse_paths([run], Rulebook([run]), ZoneInfo("UTC")))
    assert [e["step"] for e in events if e["type"] == "rollouts" and e["count"] == 4][-1] == 2
    with pytest.raises(ValueError, match=r"\w"):
        list(rows(path.read_bytes()[:50]))


@pytest.mark.real
def test_without_pyarrow_one_line_says_how_to_get_it(run: Path) -> None:
    (run / "hide").mkdir()
    (run / "hide/sitecustomize.py").write_text(WITHOUT)
    environment = os.environ | {"PYTHONPATH": str(run / "hide"), "HOME": str(run)}
    for arguments in (["rollouts", str(run)], ["watch", "--once", "--listen", "none", str(run)]):
        done = subprocess.run(
            [sys.executable, "-m", "rli_agent", *arguments], capture_output=True, text=True, env=environment, timeout=60
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if "pip install 'rli-agent[parquet]'" in line]
        assert len(said) == 1, done
        assert done.returncode == (2 if arguments[0] == "rollouts" else 0)
