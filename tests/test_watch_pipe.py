"""`train.py 2>&1 | rli-agent watch -`: whoever writes into the pipe must not notice."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from agent_process import PATIENCE, rows, store, until
from growing_run import script, trainer, write

TEXT = "".join(text for file, text in script(3) if file == "logs/trainer.log")


class Piped:
    """A `rli-agent watch -` process with a pipe to write into."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        self.said, self.passed = folder / "said.txt", folder / "passed.txt"
        with self.said.open("wb") as err, self.passed.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", "watch", "--listen", "none", "--state-dir", str(folder / "state"),
                 "--tee", *map(str, arguments)],
                stdin=subprocess.PIPE, stdout=out, stderr=err, cwd=folder, env={**os.environ, "TZ": "UTC"},
            )  # fmt: skip
        assert self.process.stdin is not None
        self.pipe = self.process.stdin.fileno()

    def put(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self.pipe, data) :]

    def close(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def says(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.said.read_text()), pattern)


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Piped]:
    process = Piped(tmp_path, "-")
    yield process
    process.process.kill()
    process.process.wait(PATIENCE)


def test_what_is_piped_in_is_read_stamped_and_passed_on_and_ends_the_watch(piped: Piped) -> None:
    text = TEXT.replace("\n", "\n\x00no stamp\n", 1) + "the last line has no end"
    before = time.time()
    piped.put(text[:200])
    piped.says("store: ")
    piped.put(text[200:])
    assert piped.close() == 0, piped.said.read_text()
    assert piped.passed.read_text() == text
    assert re.search(r"step 3 of 3", piped.said.read_text())
    (found,) = {row[0] for row in rows(store(piped.folder))["samples"]}
    assert found == f"{piped.folder.name}.log"
    (path,) = piped.folder.glob("state/stdin/*/*.log")
    assert path.read_text() == text
    assert path.stat().st_mode & 0o077 == 0
    assert before <= path.stat().st_mtime


def test_lines_without_a_time_are_stamped_when_they_come(piped: Piped) -> None:
    piped.says("store: ")
    before = time.time()
    piped.put("(TaskRunner pid=1) step:7 - actor/pg_loss:0.5 - critic/score/mean:0.25 - training/global_step:7\n")
    assert piped.close() == 0
    with closing(sqlite3.connect(store(piped.folder))) as db:
        ((stamp, how),) = db.execute("SELECT time, time_is FROM samples WHERE name = 'actor/pg_loss'").fetchall()
    assert how == "observed"
    assert before <= stamp <= time.time()


@pytest.mark.real
def test_told_to_end_it_takes_the_rest_so_that_the_trainer_lives(piped: Piped) -> None:
    piped.put(TEXT)
    piped.says("trainer: ")
    piped.process.send_signal(signal.SIGTERM)
    piped.says("standard input goes on and is ignored")
    piped.put("x" * 300_000)  # more than a pipe holds
    assert piped.process.poll() is None
    assert piped.close() == 0
    assert len(piped.passed.read_text()) == len(TEXT) + 300_000
    assert len(rows(store(piped.folder))["samples"]) > 20


@pytest.mark.real
def test_told_to_end_twice_it_ends(piped: Piped) -> None:
    piped.put(TEXT)
    piped.says("trainer: ")
    piped.process.send_signal(signal.SIGTERM)
    piped.says("standard input goes on")
    piped.process.send_signal(signal.SIGTERM)
    assert piped.process.wait(PATIENCE) == 130


def test_an_error_is_said_and_the_trainer_lives(tmp_path: Path) -> None:
    process = Piped(tmp_path, "-", "--framework", "no-such")
    process.says("error: no framework's pack is called 'no-such'")
    process.put(TEXT * 300)
    assert process.close() == 2
    assert process.passed.read_text() == TEXT * 300


def test_beside_an_output_directory_it_is_one_of_its_files(tmp_path: Path) -> None:
    for file, text in script(2):
        if file != "logs/trainer.log":
            write(tmp_path / "run", file, text)
    process = Piped(tmp_path, "run", "-")
    process.put(TEXT + trainer(4, 31000))
    assert process.close() == 0, process.said.read_text()
    assert store(tmp_path).parent.name.startswith("run-")
    files = {row[0] for row in rows(store(tmp_path))["samples"]}
    assert {"logs/orchestrator.log", "run.log"} <= files
