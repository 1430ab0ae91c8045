"""`rli-agent watch` on rollouts: counted once, whatever happens to the agent and the files; never in a log's way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, store, until
from growing_run import trainer, write, write_run

TRACES = "run_default/rollouts/step_{}/train_rollouts.jsonl"


def records(count: int, step: int = 0, size: int = 10) -> str:
    made = (
        {"example_id": i // 4, "reward": float(i % 2), "env_name": "chess", "completion": f"{step} {i} " + "so " * size,
         "token_usage": {"output_tokens": 100}, "error": None}
        for i in range(count)
    )  # fmt: skip
    return "".join(json.dumps(r) + "\n" for r in made)


def shown(agent: Agent, name: str, **labels: str) -> float | None:
    """A series' value: of the rollouts that `records` made, or of the logs, by the name."""
    wanted = labels | ({"environment": "chess"} if name.startswith("rl_rollout") else {})
    ahead = "".join(f'(?=.*[{{,]{k}="{re.escape(v)}")' for k, v in wanted.items())
    found = re.search(rf"^{ahead}{name}\{{.*\}} (\S+)$", agent.metrics(), re.MULTILINE)
    return float(found[1]) if found else None


@pytest.mark.real
def test_a_restart_and_a_file_that_grows_count_each_rollout_once(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    write_run(run, 2)
    write(run, TRACES.format(1), records(8, 1))
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: shown(agent, "rl_rollouts_total") == 8, "eight rollouts")
    agent.kill()
    write(run, TRACES.format(1), records(4, 1))
    write(run, TRACES.format(2), records(6, 2))
    for _ in range(2):
        agent = agents(run, "--listen", "127.0.0.1:0")
        until(lambda a=agent: shown(a, "rl_rollouts_total") == 18, "eighteen rollouts")  # type: ignore[misc]
        assert shown(agent, "rl_rollout_response_tokens_bucket", le="128.0") == 18
        assert shown(agent, "rl_rollout_response_tokens_sum") == 1800
        assert shown(agent, "rl_rollout_reward_mean", stat="train") == 0.5
        assert agent.end() == 0
    with contextlib.closing(sqlite3.connect(store(tmp_path))) as db:
        query = "SELECT step, count, identical, groups FROM rollouts WHERE environment = 'chess' ORDER BY step"
        assert db.execute(query).fetchall() == [(1, 12, 4, 2), (2, 6, 0, 2)]
        assert db.execute("SELECT count(*) FROM rollouts WHERE time IS NULL").fetchone() == (0,)


@pytest.mark.real
def test_a_log_does_not_wait_for_the_rollouts(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    """It is read, and followed, while a heap of them has not been read yet."""
    run = tmp_path / "run"
    write_run(run, 2)
    heap = records(4000, size=300).encode()
    first = run / TRACES.format(1)
    first.parent.mkdir(parents=True)
    first.write_bytes(heap * 12)
    for step in range(2, 12):
        other = run / TRACES.format(step)
        other.parent.mkdir()
        os.link(first, other)
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: shown(agent, "rl_step", role="trainer") == 2, "step 2")
    write(run, "logs/trainer.log", trainer(3, 31000))
    until(lambda: shown(agent, "rl_step", role="trainer") == 3, "step 3", 5.0)
    assert (shown(agent, "rl_rollouts_total") or 0) < 11 * 48_000, "they were all read before: the test proves nothing"


@pytest.mark.real
def test_a_record_of_more_than_64_mebibytes_is_passed_over_and_counted(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    run = tmp_path / "run"
    write_run(run, 2)
    path = run / TRACES.format(1)
    write(run, TRACES.format(1), records(2))
    with path.open("ab") as out:
        out.write(b'{"example_id": 1, "reward": 1.0, "completion": "')
        for _ in range(66):
            out.write(b"x" * (1 << 20))
        out.write(b'"}\n')
    write(run, TRACES.format(1), records(3))
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: shown(agent, "rl_rollouts_total") == 5, "five rollouts")
    assert shown(agent, "rli_agent_parse_errors_total", role="rollouts") == 1
    assert agent.end() == 0
    once = agents(run, "--listen", "none", "--once", "--state-dir", tmp_path / "other")
    assert once.process.wait(PATIENCE) == 0
