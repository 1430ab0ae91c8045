"""What a later scan finds: runs begin, grow, are rotated, and go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from run_trees import EPISODE, ORCHESTRATOR, TRAINER_G3, VERL_START, VERL_STEP, roles, skipped, write

import rli_agent.discover.look as look_module
from rli_agent.discover import Discovery
from rli_agent.discover.look import ENDS
from rli_agent.parsers.packs import Pack


def test_nothing_there_yet_then_a_run(tmp_path: Path, packs: dict[str, Pack]) -> None:
    root = tmp_path / "run"
    discovery = Discovery([root], packs)
    assert discovery.scan().found == []
    assert skipped(discovery.scan(), root) == {".": "does not exist"}
    write(root, {"console": "", "logs/orchestrator.log": ""})
    scan = discovery.scan()
    assert scan.run.framework is None
    assert roles(scan) == {"logs/orchestrator.log": "orchestrator"}  # its name says who it is
    assert skipped(scan, root)["console"] == "empty so far"
    write(root, {"console": VERL_START})
    scan = discovery.scan()
    assert (scan.run.framework, roles(scan)["console"]) == ("verl", "trainer")


@pytest.mark.parametrize("begun", ["", '{"st'])
def test_records_get_their_role_when_the_first_is_whole(tmp_path: Path, packs: dict[str, Pack], begun: str) -> None:
    root = write(tmp_path / "run", {"metrics.jsonl": begun})
    discovery = Discovery([root], packs, "prime-rl")
    scan = discovery.scan()
    assert skipped(scan, root) == {"metrics.jsonl": "empty so far"}
    write(root, {"metrics.jsonl": '{"step": 1, "time": 1787356729.3, "loss/mean": 0.1}\n'})
    assert roles(discovery.scan()) == {"metrics.jsonl": "metrics"}


def test_a_console_that_grows_is_looked_at_again(tmp_path: Path, packs: dict[str, Pack]) -> None:
    console, copy = tmp_path / "console.txt", tmp_path / "proj" / "exp.jsonl"
    console.write_text("loading\n")
    discovery = Discovery([tmp_path], packs)
    assert discovery.scan().run.framework is None
    with console.open("a") as out:
        out.write("x" * 3 * ENDS + "\n" + VERL_START)
    write(tmp_path, {"proj/exp.jsonl": '{"step": 1, "data": {"a": 1.0}}\n'})
    scan = discovery.scan()
    assert scan.run.framework == "verl"
    assert set(roles(scan)) == {"console.txt", "proj/exp.jsonl"}
    with console.open("a") as out:
        out.write("y" * 2 * ENDS + "\n" + VERL_STEP)
    assert set(roles(discovery.scan())) == {"console.txt"}
    with console.open("a") as out:
        out.write("z" * 10 * ENDS)
    assert skipped(discovery.scan(), tmp_path)[os.path.relpath(copy, tmp_path)] == "repeats console.txt"


def test_a_rotated_or_truncated_file_is_looked_at_again(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"a.log": bytes(range(256)) * 300, "b.log": bytes(range(256)) * 300})
    discovery = Discovery([tmp_path], packs)
    assert discovery.scan().found == []
    (tmp_path / "a.log").write_text(VERL_STEP)
    (tmp_path / "new").write_text(VERL_STEP * 400)
    os.replace(tmp_path / "new", tmp_path / "b.log")
    assert roles(discovery.scan()) == {"a.log": "trainer", "b.log": "trainer"}


def test_files_that_vanish_leave(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"logs/trainer.log": TRAINER_G3, "logs/orchestrator.log": ORCHESTRATOR})
    discovery = Discovery([tmp_path], packs)
    assert len(discovery.scan().found) == 2
    (tmp_path / "logs" / "trainer.log").unlink()
    assert roles(discovery.scan()) == {"logs/orchestrator.log": "orchestrator"}
    (tmp_path / "logs" / "orchestrator.log").unlink()
    (tmp_path / "logs").rmdir()
    assert discovery.scan().found == []


@pytest.mark.real
def test_five_thousand_files(tmp_path: Path, packs: dict[str, Pack], monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(2500):
        folder = tmp_path / "rollouts" / f"step_{i}" / "train" / "all"
        folder.mkdir(parents=True)
        (folder / "traces.jsonl").write_text(EPISODE)
        (tmp_path / f"worker_{i}.log").write_text("nothing to see\n")
    write(tmp_path, {"logs/trainer.log": TRAINER_G3})
    discovery = Discovery([tmp_path], packs)
    begun = time.perf_counter()
    scan = discovery.scan()
    assert time.perf_counter() - begun < 5
    assert len(scan.found) == 5001
    read = []
    monkeypatch.setattr(look_module, "_ends", lambda path, *_: read.append(path))
    begun = time.perf_counter()
    assert discovery.scan().found == scan.found
    assert time.perf_counter() - begun < 2.5
    assert read == []
