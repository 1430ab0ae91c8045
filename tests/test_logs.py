"""`rli-agent logs`: a run's files as one log."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from agent_process import Command
from hypothesis import given
from hypothesis import strategies as st
from prime_rl_logs import stamp, step_line, write_run
from receivers import until

from rli_agent.cli import main
from rli_agent.events import Source
from rli_agent.logs.lines import LONGEST, LogFile
from rli_agent.zone import named_zone

Logs = Callable[..., list[str]]


@pytest.fixture
def logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Logs:
    def run(*arguments: object) -> list[str]:
        main(["logs", "--state-dir", str(tmp_path / "state"), *map(str, arguments)])
        told = capsys.readouterr()
        return (told.out + told.err).splitlines()

    return run


def steps(lines: list[str], role: str) -> list[int]:
    return [int(m[1]) for line in lines if role in line and (m := re.search(r"Step (\d+) \|", line))]


def test_files_are_merged_by_time_and_lines_say_whose_they_are(logs: Logs, tmp_path: Path) -> None:
    told = logs(write_run(tmp_path / "run", steps=30))
    assert len(told) == 61
    order = [(int(m[2]), m[1]) for line in told if (m := re.match(r"\S+ \S+ (\w+).*Step (\d+) \|", line))]
    assert order == [(n, role) for n in range(1, 31) for role in ("orchestrator", "trainer")]
    assert [line[:14] for line in told] == sorted(line[:14] for line in told)
    assert not (tmp_path / "state").exists()


def test_a_problem_s_lines_are_one_level(logs: Logs, tmp_path: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: boom'
    told = logs(write_run(tmp_path / "run", last=[f"  ERROR Fatal error in train\n{trace}"]), "--level", "ERROR")
    assert [line.split(" ", 2)[2].split(None, 1)[1] for line in told][-1] == "ValueError: boom"
    assert len(told) == 4


@pytest.mark.real
def test_roles_texts_and_the_tail(logs: Logs, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert {line.split()[2] for line in logs(run, "--role", "trainer")} == {"trainer/0"}
    assert steps(logs(run, "--text", r"Step 1\d \| .*Loss"), "trainer") == list(range(10, 20))
    assert steps(logs(run, "-n", "4"), "trainer") == [29, 30]
    assert logs(run, "--role", "nobody") == ["no line of 2 files fits"]


def test_a_rank(logs: Logs, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with (run / "logs/trainer.log").open("a") as log:
        log.writelines(f"[rank{n}]: something of rank {n}\n" for n in range(4))
    (line,) = logs(run, "--rank", "2")
    assert line.endswith("something of rank 2")


def test_a_step(logs: Logs, tmp_path: Path) -> None:
    told = logs(write_run(tmp_path / "run"), "--step", "10")
    assert steps(told, "trainer")[-1] == 10
    assert {*steps(told, "trainer")} <= {9, 10}
    assert 10 in steps(told, "orchestrator")
    assert "there are 1 to 30" in "\n".join(logs(tmp_path / "run", "--step", "99"))


@pytest.mark.real
def test_around_a_problem_or_a_time(logs: Logs, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ago=3600.0, last=["  ERROR OSError: [Errno 28] No space left on device"])
    for place in ("disk_full", "logs/trainer.log:32", f"{datetime.fromtimestamp(time.time() - 3600.0):%H:%M:%S}"):
        told = logs(run, "--around", place, "--window", "25s")
        assert steps(told, "trainer") == [29, 30], place
        assert "No space left" in told[-1]
    complaint = "\n".join(logs(run, "--around", "nccl"))
    assert "neither a time nor a problem" in complaint
    assert "disk_full" in complaint


def test_what_is_no_regular_expression(logs: Logs, tmp_path: Path) -> None:
    assert "is not a regular expression" in logs(write_run(tmp_path / "run"), "--text", "(")[0]


def test_control_sequences_are_shown_and_not_obeyed(logs: Logs, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", last=["   INFO a\x1b[2Jb\x9bc\x07d \u202ee"])
    told = "\n".join(logs(run))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told)


def test_long_lines_are_cut(logs: Logs, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "logs/inference.log").write_bytes(b"00:00:01 INFO a\n" + b"x" * 3_000_000 + b"\nthe end\n")
    told = logs(run)
    assert max(map(len, told)) < 5000
    assert steps(told, "trainer") == list(range(1, 31))
    assert any(line.endswith(" the end") for line in told)


@pytest.mark.real
def test_what_is_written_from_now_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    agent = Command(tmp_path, "logs", run, "-f", "-n", "1", "--state-dir", tmp_path / "state")
    try:
        until(lambda: "Step 30" in agent.output, "the last line")
        late = run / "logs/inference.log"
        late.write_text("")

        def more() -> bool:
            with (run / "logs/trainer.log").open("a") as log:
                log.write(step_line(31, time.time()))
            with late.open("a") as log:
                log.write(f"{stamp(time.time())} INFO of a file that came later\n")
            return "Step 31" in agent.output and "came later" in agent.output

        until(more, "new lines")
        agent.process.send_signal(signal.SIGINT)
        assert agent.process.wait(30.0) == 0
    finally:
        agent.kill()
    assert agent.output.count("Step 30 ") == 1


# -- times


def log_file(path: Path, text: bytes, known: list[tuple[int, float]] | None = None, mtime: float = 1.8e9) -> LogFile:
    path.write_bytes(text)
    os.utime(path, (mtime, mtime))
    return LogFile(path, Source("a.log", "trainer"), named_zone("UTC"), known or [], {})


def test_stamps_without_a_date_over_midnight(tmp_path: Path) -> None:
    end = datetime.fromisoformat("2027-01-15T00:00:30+00:00").timestamp()
    text = b"23:59:58    INFO a\nnext\n00:00:02    INFO b\n"
    times = [line.time - end for line in log_file(tmp_path / "a.log", text, mtime=end).lines()]
    assert times == [-32.0, -32.0, -28.0]


def test_lines_without_any_time_have_what_the_store_knows(tmp_path: Path) -> None:
    file = log_file(tmp_path / "a.log", b"one\ntwo\nthree\nfour\n", [(2, 100.0), (3, 200.0)])
    assert [line.time for line in file.lines()] == [100.0, 100.0, 200.0, 1.8e9]


@given(st.lists(st.binary(max_size=200).map(lambda b: b.replace(b"\n", b" ")), max_size=30))
def test_each_line_of_a_file_is_there_once(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("any") / "a.log"
    text = b"\n".join(lines)
    expected = text.count(b"\n") + bool(text and not text.endswith(b"\n"))
    assert [line.line for line in log_file(path, text).lines()] == list(range(1, expected + 1))


def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    first, second = log_file(tmp_path / "a.log", b"x" * (5 * LONGEST + 3) + b"\nlast\n").lines()
    assert len(first.text) == LONGEST
    assert second.text == "last"
