"""`rli-agent status` of files that were copied, whose lines are older than the files, and of what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from prime_rl_logs import write_run

from rli_agent.answer.report import Report
from rli_agent.cli import main

#: vLLM's V1 engine behind Ray: a line a ten seconds, then the end of the engine core.
ENGINE = """\
(AsyncvLLMServer pid=7296) INFO 05-08 15:30:20 [loggers.py:111] Engine 000: Avg prompt throughput: 753.3 tokens/s, \
Avg generation throughput: 141.3 tokens/s, Running: 33 reqs, Waiting: 6 reqs, GPU KV cache usage: 10.6%, \
Prefix cache hit rate: 4.2%
(AsyncvLLMServer pid=7296) ERROR 05-08 15:30:47 [core.py:390] EngineCore encountered a fatal error.
(AsyncvLLMServer pid=7296) ERROR 05-08 15:30:47 [core.py:390] Traceback (most recent call last):
(AsyncvLLMServer pid=7296) ERROR 05-08 15:30:47 [core.py:390]     outputs = self.step_fn()
(AsyncvLLMServer pid=7296) ERROR 05-08 15:30:47 [core.py:390]               ^^^^^^^^^^^^^^
"""


@pytest.fixture
def status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Report]]:
    def run(path: Path) -> tuple[int, Report]:
        code = main(["status", "--json", "--state-dir", str(tmp_path / "state"), str(path)])
        return code, msgspec.json.decode(capsys.readouterr().out, type=Report)

    return run


def copied(run: Path) -> Path:
    for path in run.rglob("*.log"):
        os.utime(path)
    return run


def test_the_last_lines_of_a_copied_log_count_as_new(status: Callable[..., tuple[int, Report]], tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(ENGINE)
    code, report = status(tmp_path / "train.log")
    assert (code, report.health) == (1, "Degraded")
    assert report.reasons == ["traceback: EngineCore encountered a fatal error."]


def test_an_alert_that_is_not_over_is_a_reason_though_nobody_was_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    norms = ["nan", *["0.0510"] * 4]
    run = copied(write_run(tmp_path / "run", grad_norms=norms, ago=7200.0))
    assert main(["status", "--state-dir", str(tmp_path / "state"), str(run)]) == 1
    first, reason, *_ = capsys.readouterr().out.split("\n")
    assert first.startswith("Degraded: step 30 of 100")
    assert reason.startswith("  - nan_loss at step 26: ")


def test_durations_of_a_copied_run_end_with_its_newest_line(
    status: Callable[..., tuple[int, Report]], tmp_path: Path
) -> None:
    saving = ["   INFO Saving checkpoint at step 30"]
    _, fresh = status(write_run(tmp_path / "fresh", last=saving))
    _, old = status(copied(write_run(tmp_path / "old", last=saving, ago=7200.0)))
    assert "ETA" in fresh.answer
    assert fresh.progress.finishes_at is not None
    assert old.lanes, "a state is open"
    assert all(lane.seconds < 60.0 for lane in old.lanes)
    assert " h" not in old.answer
    assert "ETA" not in old.answer
    assert old.progress.finishes_at is None


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("train.log", os.urandom(4096), "train.log is skipped: binary"),
        ("train.log", b"", "train.log: nothing in it yet"),
        (None, b"", "holds no log file"),
    ],
    ids=["binary", "empty", "no file"],
)
def test_what_cannot_be_read_is_unknown(
    status: Callable[..., tuple[int, Report]], tmp_path: Path, name: str | None, content: bytes, why: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if name is not None:
        (run / name).write_bytes(content)
    code, report = status(run)
    assert (code, report.health) == (2, "Unknown")
    assert why in report.answer
    assert report.answer in report.reasons
    journal = tmp_path / "STATUS.md"
    assert main(["status", "--state-dir", str(tmp_path / "state"), str(run), "--append", str(journal)]) == 2
    assert not journal.exists(), "its form has no such health"
