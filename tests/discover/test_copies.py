"""Logs that hold what another one holds too are read once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from growing_run import script, write

from rli_agent.discover import Discovery
from rli_agent.discover.copies import AHEAD
from rli_agent.rulebook import Rulebook

STEP = "(TaskRunner pid=7) step:{0} - actor/pg_loss:0.5{0:04} - critic/score/mean:0.25 - training/global_step:{0}\n"
PROLOGUE = "Job 4711 on node01 since 2026-11-21 10:00:00\nLoading the modules of cuda 12.4\n"


def steps(count: int) -> str:
    return "".join(STEP.format(step) for step in range(1, count + 1))


def read(root: Path) -> tuple[set[str], dict[str, str]]:
    """Which files are read, and why the others are not."""
    scan = Discovery([root], Rulebook([], []).packs).scan()
    return {found.source.file for found in scan.found}, {path.name: why for path, why in scan.skipped}


@pytest.mark.parametrize(
    ("before", "after"), [(PROLOGUE, ""), (PROLOGUE, "srun: error: node01: task 0: Killed\n"), ("", "")]
)
def test_what_a_batch_script_tees_is_read_where_the_scheduler_keeps_it(tmp_path: Path, before: str, after: str) -> None:
    write(tmp_path, "train.log", steps(50))
    write(tmp_path, "slurm-4711.out", before + steps(50) + after)
    assert read(tmp_path) == ({"slurm-4711.out"}, {"train.log": "repeats slurm-4711.out"})


def test_lines_of_another_program_may_stand_between(tmp_path: Path) -> None:
    lines = steps(50).splitlines(keepends=True)
    write(tmp_path, "train.log", "".join(lines))
    write(tmp_path, "slurm-4711.out", "".join(line + "a line to the console alone\n" for line in lines))
    assert read(tmp_path)[0] == {"slurm-4711.out"}


def test_the_copy_may_be_a_little_ahead(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(60))
    write(tmp_path, "slurm-4711.out", PROLOGUE + steps(30))
    assert read(tmp_path)[0] == {"slurm-4711.out"}


def test_a_log_with_much_more_than_the_console_is_read(tmp_path: Path) -> None:
    more = AHEAD // len(STEP)
    write(tmp_path, "train.log", steps(50 + 2 * more))
    write(tmp_path, "slurm-4711.out", PROLOGUE + steps(50))
    assert "train.log" in read(tmp_path)[0]


@pytest.mark.parametrize("names", [("rank_0.log", "rank_1.log"), ("a/train.log", "b/train.log"), ("t.log", "t.log.1")])
def test_ranks_runs_and_rotated_logs_are_no_copies(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write(tmp_path, name, steps(50))
    assert read(tmp_path)[0] == set(names)


def test_a_backup_takes_nothing_from_the_log_that_is_being_read(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(50))
    discovery = Discovery([tmp_path], Rulebook([], []).packs)
    discovery.scan()
    write(tmp_path, "before.log", PROLOGUE + steps(50))
    write(tmp_path, "copied.log", steps(50))
    found = {found.source.file for found in discovery.scan().found}
    assert found == {"before.log", "train.log"}


def test_nor_from_one_that_an_earlier_watch_has_begun(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(50))
    write(tmp_path, "copied.log", steps(50))
    packs = Rulebook([], []).packs
    assert {found.source.file for found in Discovery([tmp_path], packs).scan().found} == {"copied.log"}
    scan = Discovery([tmp_path], packs, begun={"train.log"}).scan()
    assert {found.source.file for found in scan.found} == {"train.log"}


def test_a_log_that_goes_on_is_no_copy_of_one_that_does_not(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(50))
    write(tmp_path, "backup.log", steps(50))
    os.utime(tmp_path / "backup.log", (1_700_000_000, 1_700_000_000))
    assert "train.log" in read(tmp_path)[0]


def test_two_logs_of_one_minute_are_no_copies(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(50))
    write(tmp_path, "slurm-4711.out", PROLOGUE + steps(50).replace("pid=7", "pid=8"))
    assert read(tmp_path)[0] == {"train.log", "slurm-4711.out"}


def test_few_lines_tell_nothing(tmp_path: Path) -> None:
    write(tmp_path, "train.log", steps(7))
    write(tmp_path, "slurm-4711.out", steps(7))
    assert read(tmp_path)[0] == {"train.log", "slurm-4711.out"}


def test_of_logs_that_a_pack_knows_by_their_place_the_pack_knows_the_twins(tmp_path: Path) -> None:
    """One of the two is read, not neither."""
    for file, text in script(12):
        write(tmp_path, file, text)
    write(tmp_path, "slurm-4711.out", PROLOGUE + (tmp_path / "logs/trainer.log").read_text())
    assert "logs/trainer.log" in read(tmp_path)[0]
