"""Files of rollouts by the thousand: all are read, once; what was read long ago costs nothing, until it changes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, store, until
from growing_run import write

from rli_agent.discover import NEWEST, Discovery
from rli_agent.discover.discovery import OLDEST
from rli_agent.rulebook import Rulebook

STEP = "(TaskRunner pid=1) step:{0} - actor/pg_loss:0.5 - critic/score/mean:0.25 - training/global_step:{0}\n"
OLD = 1_700_000_000


def rollouts(root: Path, steps: range) -> None:
    (root / "rollouts").mkdir(parents=True, exist_ok=True)
    for step in steps:
        path = root / "rollouts" / f"{step}.jsonl"
        path.write_text(json.dumps({"input": "q", "output": "a", "score": 1.0, "step": step}) + "\n")
        os.utime(path, (OLD + step, OLD + step))


def counted(folder: Path) -> tuple[int, int]:
    """Files of rollouts in the store, and records in them."""
    with closing(sqlite3.connect(f"file:{store(folder)}?mode=ro", uri=True)) as db:
        found: tuple[int, int] = db.execute("SELECT count(DISTINCT file), sum(count) FROM rollouts").fetchone()
    return found


def shown(discovery: Discovery) -> set[str]:
    return {found.source.file for found in discovery.scan().found if found.source.role == "rollouts"}


@pytest.mark.real
def test_the_oldest_and_the_newest_are_shown_until_they_rest(tmp_path: Path) -> None:
    many = NEWEST + OLDEST + 500
    write(tmp_path, "train.log", STEP.format(1))
    rollouts(tmp_path, range(many))
    discovery, seen = Discovery([tmp_path], Rulebook([], []).packs, read={}), set()
    now = shown(discovery)
    assert (len(now), discovery.backlog) == (NEWEST + OLDEST, 500)
    assert {"rollouts/0.jsonl", f"rollouts/{many - 1}.jsonl"} <= now
    seen |= now
    discovery.rest({str(tmp_path / "rollouts" / f"{step}.jsonl") for step in range(OLDEST)})
    now = shown(discovery)
    assert (len(now), discovery.backlog) == (NEWEST + 500, 0)
    assert len(seen | now) == many
    discovery.wake([tmp_path / "rollouts" / "7.jsonl", tmp_path / "rollouts" / "no.jsonl"])
    assert shown(discovery) == now | {"rollouts/7.jsonl"}
    assert len(shown(Discovery([tmp_path], Rulebook([], []).packs))) == many


@pytest.mark.real
def test_what_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    write(tmp_path, "train.log", STEP.format(1))
    for number in range(OLDEST + 10):
        write(tmp_path, f"other/{number}.jsonl", "[]\n")
        os.utime(tmp_path / "other" / f"{number}.jsonl", (OLD - 1, OLD - 1))
    rollouts(tmp_path, range(NEWEST + 5))
    discovery = Discovery([tmp_path], Rulebook([], []).packs, read={})
    seen = shown(discovery)
    while discovery.backlog:
        seen |= shown(discovery)
    assert len(seen | shown(discovery)) == NEWEST + 5


@pytest.mark.real
def test_a_watch_reads_all_in_one_go(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    many = NEWEST + OLDEST + 20
    write(tmp_path / "run", "train.log", STEP.format(1))
    rollouts(tmp_path / "run", range(many))
    agent = agents(tmp_path / "run", "--listen", "none", "--once")
    assert agent.process.wait(4 * PATIENCE) == 0, agent.output
    assert counted(tmp_path) == (many, many)


@pytest.mark.real
def test_a_file_at_rest_that_is_written_again_is_read_on(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    root, many = tmp_path / "run", NEWEST + 50
    write(root, "train.log", STEP.format(1))
    rollouts(root, range(many))
    assert agents(root, "--listen", "none", "--once").process.wait(4 * PATIENCE) == 0
    write(root, "rollouts/3.jsonl", json.dumps({"input": "q", "output": "late", "score": 0.0, "step": 3}) + "\n")
    agent = agents(root, "--listen", "none")
    until(lambda: counted(tmp_path) == (many, many + 1), f"{many + 1} records", 4 * PATIENCE)
    write(root, "rollouts/4.jsonl", json.dumps({"input": "q", "output": "later", "score": 0.0, "step": 4}) + "\n")
    until(lambda: counted(tmp_path) == (many, many + 2), f"{many + 2} records", 4 * PATIENCE)
    assert f"and {NEWEST - 1} more" in agent.output
    assert agent.end() == 0
