"""`rli-agent detect`, from the command line, over traces and over a run's directory."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from detector_traces import Trace, failing

from rli_agent.cli import main

SAMPLE = Path(__file__).parents[1] / "samples" / "verl"


def written(path: Path, trace: Trace) -> Path:
    lines = [{"label": trace.label, "onset_step": 0}, *({"step": s, "metrics": m} for s, m in trace.rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def detect(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[dict[str, Any]]:
    assert main(["detect", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_trace_gives_alerts_as_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = failing(random.Random("cli"), "nan_loss", "math")
    assert trace.onset is not None
    (first, *_) = detect(capsys, written(tmp_path / "a.jsonl", trace))
    assert (first["file"], first["detector"], first["severity"]) == ("a.jsonl", "nan_loss", "critical")
    assert first["step"] == trace.rows[trace.onset][0]
    assert first["status"] == "firing"
    assert first["value"] is None
    assert first["recommendation"]


def test_traces_are_runs_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    traces = [written(tmp_path / f"{n}.jsonl", failing(random.Random(n), "nan_loss", "math")) for n in range(3)]
    found = detect(capsys, *traces)
    assert {a["file"] for a in found if a["detector"] == "nan_loss"} == {"0.jsonl", "1.jsonl", "2.jsonl"}


def test_each_trace_of_a_directory_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        written(tmp_path / f"{n}.jsonl", failing(random.Random(n), "nan_loss", "math"))
    found = detect(capsys, tmp_path)
    assert {a["file"] for a in found if a["detector"] == "nan_loss"} == {"0.jsonl", "1.jsonl", "2.jsonl"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to read in"),
        ('{"step": 1, "metrics": {}}\n', "no figure to judge in"),
        ('{"loss": 1}\n', "no figure to judge in"),
    ],
)
def test_what_has_no_figure_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(text)
    trace = written(tmp_path / "a.jsonl", failing(random.Random("cli"), "nan_loss", "math"))
    assert main(["detect", str(empty)]) == 2
    assert f"error: {said} {empty}" in capsys.readouterr().err
    assert main(["detect", str(trace), str(empty)]) == 2
    assert "nan_loss" in capsys.readouterr().out, "what can be judged is"


def test_a_directory_of_several_runs_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(SAMPLE.parent)]) == 2
    assert "runs\n  name one run's directory" in capsys.readouterr().err


def test_a_healthy_run_gives_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert detect(capsys, SAMPLE) == []


def test_a_file_of_ones_own_is_heeded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"
    case = "{series: response_length/mean, when: [{test: level, above: 1}]}"
    config.write_text(f"detectors: [{{name: x, cases: [{case}]}}]")
    (alert,) = detect(capsys, SAMPLE, "--config", config)
    assert (alert["detector"], alert["file"], alert["series"]) == ("x", "train.log", "response_length/mean")


def test_people_get_text_and_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = written(tmp_path / "a.jsonl", failing(random.Random("cli"), "kl_explosion", "math"))
    assert main(["detect", "--table", "--plot", str(trace)]) == 0
    out = capsys.readouterr().out
    assert "a.jsonl: kl_explosion at step" in out
    assert "Do: Lower the learning rate" in out
    assert any("\u2801" <= c <= "\u28ff" for c in out)


def test_half_lines_and_junk_in_a_trace_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = written(tmp_path / "a.jsonl", failing(random.Random("cli"), "nan_loss", "math"))
    before = detect(capsys, trace)
    trace.write_bytes(trace.read_bytes() + b'\xff\x00\n[1]\n{"step": 4, "metrics": {"kl": "x"}}\n{"step": 9, "met')
    assert detect(capsys, trace) == before


def test_each_detector_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "--explain", "entropy_collapse"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("entropy_collapse (warning)")
    assert "rl_policy_entropy" in out
    assert main(["detect", "--explain", "all"]) == 0
    assert "nan_loss (critical)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/no/such/run"], "no such file or directory"),
        ([], "nothing to look at"),
        (["--explain", "entropy"], "did you mean entropy_collapse?"),
        (["--config", "/no/such.yaml", "."], "cannot be read"),
    ],
)
def test_mistakes_get_a_line_and_a_hint(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_directory_without_logs_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(tmp_path)]) == 2
    assert "nothing to read" in capsys.readouterr().err
