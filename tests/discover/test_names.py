"""What files are called, and the run that they belong to."""

from __future__ import annotations

import os
from pathlib import Path

from run_trees import TRAINER_G3, VERL_STEP, write

from rli_agent.discover import Discovery
from rli_agent.parsers.packs import Pack


def test_names_in_a_run_of_several_places(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"a/run/train.log": VERL_STEP, "a/run/x.log": "x\n", "b/ray/x.log": "y\n", "c/only.log": "z\n"})
    given = [tmp_path / "a" / "run", tmp_path / "b" / "ray", tmp_path / "c" / "only.log", tmp_path / "a"]
    scan = Discovery(given, packs).scan()
    assert {f.source.file: f.path.relative_to(tmp_path).as_posix() for f in scan.found} == {
        "train.log": "a/run/train.log", "x.log": "a/run/x.log", "ray/x.log": "b/ray/x.log", "only.log": "c/only.log",
    }  # fmt: skip
    assert scan.run.root == tmp_path / "a" / "run"
    assert scan.run.paths == tuple(given)


def test_a_file_given_by_itself(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"run7/logs/trainer/node_0.log": TRAINER_G3, "run7/configs/x.toml": "a = 1\n"})
    link = tmp_path / "run7" / "logs" / "trainer.log"
    link.symlink_to("trainer/node_0.log")
    scan = Discovery([link], packs).scan()
    (only,) = scan.found
    assert (only.source.file, only.source.role) == ("trainer.log", "trainer")
    assert only.path == link.resolve()
    assert (scan.run.name, scan.run.root) == ("run7", link.resolve().parent)


def test_a_name_that_is_not_utf8(tmp_path: Path, packs: dict[str, Pack]) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.log"
    with open(raw, "w") as out:
        out.write(VERL_STEP)
    (only,) = Discovery([tmp_path], packs).scan().found
    assert only.source.file == "caf�.log"
    assert os.fsencode(only.path) == raw
