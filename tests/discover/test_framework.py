"""Which framework wrote a run, and what is done where none or several are told of."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_trees import ENGINE, ORCHESTRATOR, TRAINER_G3, VERL_START, VERL_STEP, by_file, write

from rli_agent.discover import Discovery
from rli_agent.parsers.packs import Pack


def test_an_engines_log_alone_is_no_framework(tmp_path: Path, packs: dict[str, Pack]) -> None:
    scan = Discovery([write(tmp_path, {"server.log": ENGINE})], packs).scan()
    assert (scan.run.framework, scan.run.confidence) == (None, 0.0)
    assert scan.run.why.startswith("no known framework")
    (only,) = scan.found
    assert only.source.role == "inference"
    assert set(only.source.packs) == set(packs)


def test_two_frameworks_in_one_tree(tmp_path: Path, packs: dict[str, Pack]) -> None:
    many = {f"verl_{i}.log": VERL_START + VERL_STEP for i in range(5)}
    scan = Discovery([write(tmp_path, {**many, "other/console.txt": TRAINER_G3})], packs).scan()
    found = by_file(scan)
    assert scan.run.framework == "verl"
    assert found["verl_0.log"].source.packs == ("verl", "vllm")
    assert set(found["other/console.txt"].source.packs) == set(packs)
    even = Discovery([write(tmp_path / "even", {"a.log": VERL_STEP, "b.log": TRAINER_G3 + ORCHESTRATOR})], packs).scan()
    assert even.run.framework is None
    assert "as much tells of" in even.run.why
    said = Discovery([tmp_path / "even"], packs, framework="verl").scan()
    assert (said.run.framework, said.run.confidence, said.run.why) == ("verl", 1.0, "verl: as the user says")


def test_an_unknown_framework_is_refused(tmp_path: Path, packs: dict[str, Pack]) -> None:
    with pytest.raises(ValueError, match="known: prime-rl, verl"):
        Discovery([tmp_path], packs, framework="vrel")
