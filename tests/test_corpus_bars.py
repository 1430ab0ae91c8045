"""The bars on a corpus's scores: what is missed is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("corpus_bars.py")
BARS = Path(__file__).with_name("corpus_bars.json")


HALF = {"recall": 0.5, "precision": 0.75}
SCORES = {"metric": HALF, "state": HALF, "problem": HALF, "time": {"right": 1.0}, "negatives_hit": 1, "failed": 0}


def judged(tmp_path: Path, bars: dict[str, dict[str, float]]) -> subprocess.CompletedProcess[str]:
    scores, wanted = tmp_path / "scores.json", tmp_path / "bars.json"
    scores.write_text(json.dumps({"summary": {"verl": SCORES}, "cases": []}))
    wanted.write_text(json.dumps(bars))
    return subprocess.run([sys.executable, SCRIPT, scores, wanted], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "bars",
    [
        {},
        {"verl": {}},
        {"verl": {"metric_recall": 0.5, "state_precision": 0.75, "time_right": 1.0, "negatives_hit": 1, "failed": 0}},
    ],
)
def test_bars_that_are_reached_pass(tmp_path: Path, bars: dict[str, dict[str, float]]) -> None:
    result = judged(tmp_path, bars)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("bars", "told"),
    [
        ({"verl": {"metric_recall": 0.51}}, "verl: metric_recall is 0.5, its bar is 0.51"),
        ({"verl": {"negatives_hit": 0}}, "verl: negatives_hit is 1, its bar is 0"),
        ({"trl": {"state_recall": 0.1}}, "trl: there is no score state_recall, its bar is 0.1"),
        ({"verl": {"metric_recal": 0.1}}, "verl: there is no score metric_recal, its bar is 0.1"),
    ],
)
def test_a_bar_that_is_missed_fails_and_is_named(tmp_path: Path, bars: dict[str, dict[str, float]], told: str) -> None:
    result = judged(tmp_path, bars)
    assert result.returncode == 1
    assert told in result.stderr


def test_the_projects_bars_can_be_read() -> None:
    bars = json.loads(BARS.read_text())
    assert all(isinstance(bar, int | float) for wanted in bars.values() for bar in wanted.values())
    assert "verl" in bars
