"""`rli-agent status` of files that were copied, whose lines are older than the files, and of what cannot be read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from prime_rl_logs import write_run

from rli_agent.answer.report import Report
from rli_agent.cli import main
from rli_agent.machine.files import lived

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


@pytest.mark.real
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


def steps_without_times(count: int = 30, seconds: float = 120.0) -> str:
    """verl's console: no line of a step has a time."""
    config = "{'trainer': {'total_training_steps': 400}}\nTotal training steps: 400\n"
    return config + "".join(
        f"step:{n} - actor/entropy:0.3 - critic/rewards/mean:0.4 - timing_s/step:{seconds} - training/global_step:{n}\n"
        for n in range(1, count + 1)
    )


def once(run: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of `watch --once`."""
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(state), str(run)]) == 0
    return capsys.readouterr().out.strip().split("\n")[-1]


@pytest.mark.real
def test_a_copy_without_times_has_no_end_in_sight(
    status: Callable[..., tuple[int, Report]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "train.log"
    log.write_text(steps_without_times())
    if lived(log) is None:
        pytest.skip("this file system keeps no births")
    _, report = status(log)
    assert report.progress.step == 30
    assert report.progress.max_steps == 400
    assert report.progress.finishes_at is None
    assert "ETA" not in report.answer
    assert "ETA" not in once(log, tmp_path / "state", capsys)


@pytest.mark.real
def test_a_log_that_grew_as_long_as_its_steps_took_has_an_end_in_sight(
    status: Callable[..., tuple[int, Report]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "train.log"
    log.write_text(steps_without_times(seconds=0.001))
    with log.open("a") as file:
        time.sleep(1.1)  # a birth is told in whole seconds
        file.write("step:31 - actor/entropy:0.3 - timing_s/step:0.001\n")
    _, report = status(log)
    assert report.progress.finishes_at is not None
    assert "ETA" in once(log, tmp_path / "state", capsys)


@pytest.mark.real
def test_once_says_of_old_runs_and_copies_how_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_run(tmp_path / "old", ago=50_000.0)
    copy = copied(write_run(tmp_path / "copy", ago=50_000.0))
    for run in (old, copy):
        said = once(run, tmp_path / "state", capsys)
        assert "step 30 of 100" in said
        assert " h" not in said
        assert "ETA" not in said
    assert "ETA" in once(write_run(tmp_path / "fresh"), tmp_path / "state", capsys)


def test_text_that_tells_nothing_is_unknown(status: Callable[..., tuple[int, Report]], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.log").write_text("hello world\nnothing to see here\n")
    code, report = status(tmp_path / "run")
    assert (code, report.health) == (2, "Unknown")
    assert report.answer.startswith("a.log: no line tells of a step, a state or a problem")


def test_an_engine_alone_is_known_by_its_figures(status: Callable[..., tuple[int, Report]], tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_text(ENGINE.split("\n(", 1)[0] + "\n")
    code, report = status(tmp_path / "engine.log")
    assert (code, report.health) == (0, "Healthy")
    assert any(series.metric == "rl_engine_requests_running" for series in report.performance.series)


def test_a_run_that_ends_in_its_middle_without_a_word_is_not_finished(
    status: Callable[..., tuple[int, Report]], tmp_path: Path
) -> None:
    log = tmp_path / "train.log"
    log.write_text(steps_without_times())
    os.utime(log, (time.time() - 5 * 86_400,) * 2)
    code, report = status(log)
    assert (code, report.health, report.progress.life) == (2, "Down", "stalled")


@pytest.mark.real
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
