"""Entries of STATUS.md: their form, to the letter, and that nothing that stands in the file is ever changed."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import Command
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prime_rl_logs import stamp, write_run
from receivers import until

from rli_agent.answer.report import Performance, Progress, Report, RunFacts, Series, Spike, Trouble
from rli_agent.cli import main
from rli_agent.reporters.journal import append, is_empty
from rli_agent.reporters.markdown import entry

REPORT = Report(
    1, 1787384460.0, "step 412 of 1000", "Degraded", ["nccl: watchdog timeout"],
    RunFacts(
        "math-1", "/runs/math", framework="prime-rl", model="Qwen/Qwen3-8B", environments=["aime", "gsm8k"], attempt=2
    ),
    Progress("running", 412, 1000, 60.0, finishes_at=1787384460.0 + 588 * 60),
    quality=[Series("rl_reward_mean", 0.5375, 412, 0.5087), Series("rl_eval_score", 0.4, 400, environment="aime")],
    stability=[
        Series("rl_policy_entropy", 0.4129, 412, 0.4379),
        Series("rl_grad_norm", 2.41, 412, 0.085, spikes=[Spike(412, 2.41, 0.085, 40.0)]),
    ],
    performance=Performance(
        60.0, 55.0, waits="the trainer waits for its batch 36% of the step", env_lag_seconds=0.4,
        series=[
            Series("rl_throughput_tokens_per_second", 21910.0), Series("rl_engine_requests_waiting", 3.0),
            Series("rl_engine_kv_cache_usage_ratio", 0.87),
        ],
    ),
    problem_count=2, problems=[Trouble("nccl", "ERROR", "Watchdog caught\nmore", "logs/trainer.log", 12)],
)  # fmt: skip

GOLDEN = """\
## 2026-08-22 07:41 UTC

**Step**: 412 / 1000
**Health**: Degraded

**Progress**: reward 0.5375 (usually 0.5087); eval aime 0.4; done in 9 h 48 min at this pace
**Stability**: entropy 0.4129 (usually 0.4379); gradient norm 2.41 (usually 0.085); SPIKE: gradient norm 2.41 at step 412 (usually 0.085)
**Performance**: trainer step 60 s; orchestrator step 55 s; the trainer waits for its batch 36% of the step; event loop lag 0.4 s; throughput 21.91k tok/s; waiting 3; KV cache 87.0%

**Notes**: nccl: watchdog timeout; attempt 2; 2 problems so far, the newest: Watchdog caught
"""  # noqa: E501


def test_the_form_of_an_entry() -> None:
    assert entry(REPORT) == GOLDEN


def test_notes_are_left_out_where_there_is_nothing() -> None:
    run = replace(REPORT.run, attempt=1)
    quiet = replace(REPORT, health="Healthy", reasons=[], problem_count=0, problems=[], run=run)
    assert "**Notes**" not in entry(quiet)
    assert entry(quiet).endswith("KV cache 87.0%\n")


def test_a_run_without_a_step_and_without_an_end() -> None:
    bare = Report(1, 0.0, "starting", "Healthy", [], RunFacts("r", "/r"), Progress("starting"))
    assert entry(bare) == (
        "## 1970-01-01 00:00 UTC\n\n**Step**: 0 / ?\n**Health**: Healthy\n\n**Progress**: no step is done yet\n"
        "**Stability**: nothing known yet\n**Performance**: nothing known yet\n"
    )


def test_the_first_entry_says_what_the_run_is() -> None:
    first = entry(REPORT, launch=True)
    assert first.startswith(GOLDEN.split("**Notes**")[0])
    notes = first.split("**Notes**: ")[1]
    for told in ("prime-rl", "Qwen/Qwen3-8B", "environments aime, gsm8k", "1000 steps planned"):
        assert told in notes


@given(text=st.text(max_size=3000))
def test_text_of_logs_neither_breaks_the_form_nor_becomes_markup(text: str) -> None:
    said = entry(replace(REPORT, reasons=[text], problems=[Trouble("other", "ERROR", text, "f", 1)]))
    assert [line.split(":")[0] for line in said.split("\n") if line] == [
        line.split(":")[0] for line in GOLDEN.split("\n") if line
    ]
    assert not re.search(r"(?<!\\)<", said)
    assert max(map(len, said.split("\n"))) < 1200


@pytest.mark.real
def test_appending_never_changes_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, journal = write_run(tmp_path / "run"), tmp_path / "STATUS.md"
    journal.write_text("# Notes of a researcher\n\nbatch size was too small")
    seen = journal.read_bytes()
    for number in (1, 2, 3):
        assert main(["status", str(run), "--append", str(journal), "--state-dir", str(tmp_path / "state")]) == 0
        now = journal.read_bytes()
        assert now.startswith(seen)
        assert len(re.findall(rb"^## \d{4}-\d\d-\d\d \d\d:\d\d UTC\n\n\*\*Step\*\*: 30 / 100\n", now, re.M)) == number
        seen = now
    assert b"small\n\n## " in seen
    assert b"\n\n\n" not in seen
    capsys.readouterr()


def test_entries_of_several_writers_stay_whole(tmp_path: Path) -> None:
    journal = tmp_path / "STATUS.md"
    entries = [entry(replace(REPORT, time=number * 3600.0)) for number in range(40)]
    threads = [threading.Thread(target=append, args=(journal, one)) for one in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = re.split(r"\n+(?=## )", journal.read_text().strip())
    assert sorted(told) == sorted(one.strip() for one in entries)


def test_a_journal_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    missing = tmp_path / "no such folder" / "STATUS.md"
    assert is_empty(missing)
    assert main(["status", str(run), "--append", str(missing), "--state-dir", str(tmp_path / "state")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert not os.path.exists(missing)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*arguments: object) -> Command:
        more = ("--listen", "none", "--state-dir", tmp_path / "state")
        started.append(Command(tmp_path, "watch", *arguments, *more))
        return started[-1]

    yield start
    for agent in started:
        agent.kill()


def end(agent: Command) -> None:
    agent.process.terminate()
    assert agent.process.wait(30.0) == 0


def entries(path: Path) -> list[str]:
    text = path.read_text().strip() if path.exists() else ""
    return re.split(r"\n\n(?=## )", text) if text else []


@pytest.mark.real
def test_a_watch_writes_at_launch_and_again_only_when_it_is_time(tmp_path: Path, watch: Callable[..., Command]) -> None:
    run = write_run(tmp_path / "run")
    journal = run / "STATUS.md"
    first = watch(run, "--status-md", "1h")
    until(lambda: len(entries(journal)) == 1, "the entry of the launch")
    assert "**Notes**: prime-rl run in " in entries(journal)[0]
    end(first)
    again = watch(run, "--status-md", "1h")
    until(lambda: "step 30 of 100" in again.output, "the second watch has read")
    end(again)
    assert len(entries(journal)) == 1
    watch(run, "--status-md", "1s")
    until(lambda: len(entries(journal)) >= 3, "two more, a second apart")
    assert "Notes" not in entries(journal)[2]


@pytest.mark.real
def test_a_watch_writes_when_the_run_ends(tmp_path: Path, watch: Callable[..., Command]) -> None:
    run, journal = write_run(tmp_path / "run"), tmp_path / "notes.md"
    watch(run, "--status-md", "1h", "--status-file", journal)
    until(lambda: len(entries(journal)) == 1, "the entry of the launch")
    with (run / "logs/trainer.log").open("a") as log:
        log.write(f"[trainer0]:{stamp(time.time())} SUCCESS RL trainer finished!\n")
    until(lambda: len(entries(journal)) == 2, "an entry of the end", patience=60.0)
    assert "**Notes**: finished" in entries(journal)[1]
    assert not (run / "STATUS.md").exists()


def test_an_interval_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["watch", str(tmp_path), "--status-md", "hourly"]) == 2
    assert "write 30s, 5m, 4h or 2d" in capsys.readouterr().err
