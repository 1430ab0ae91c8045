"""A run in several places: what its configuration and its lines name is followed, and what must not be is not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, rows, store, until
from growing_run import write

from rli_agent.watching.places import Places

STEP = "(TaskRunner pid=1) step:{0} - actor/pg_loss:0.5 - critic/score/mean:0.25 - training/global_step:{0}\n"
CONFIG = "trainer:\n  rollout_data_dir: {}\n  validation_data_dir: val\nactor_rollout_ref: {{}}\n"
HYDRA = "outputs/2026-01-14/09-30-05/.hydra/config.yaml"


def rollouts(folder: Path, step: int) -> None:
    record = {"input": "q", "output": "a", "score": 0.5, "step": step}
    write(folder, f"{step}.jsonl", (json.dumps(record) + "\n") * 4)


def read_files(tmp_path: Path) -> set[object]:
    return {row[0] for row in rows(store(tmp_path))["rollouts"]}


def test_what_a_configuration_names_is_read_in_one_go(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    write(project, HYDRA, CONFIG.format(elsewhere))
    write(project, "logs/train.log", "".join(STEP.format(i) for i in range(1, 4)))
    rollouts(elsewhere, 1)
    rollouts(project / "val", 2)
    agent = agents(project / "logs", project / "outputs", "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    assert f"also follows {elsewhere}: rollouts, as the run says" in agent.output
    assert read_files(tmp_path) == {"elsewhere/1.jsonl", "val/2.jsonl"}


def test_what_lies_with_the_checkpoints_is_read(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    project, checkpoints = tmp_path / "project", tmp_path / "checkpoints"
    write(project, HYDRA, f"trainer:\n  default_local_dir: {checkpoints}\nactor_rollout_ref: {{}}\n")
    write(project, "logs/train.log", "".join(STEP.format(i) for i in range(1, 4)))
    write(checkpoints, "latest_checkpointed_iteration.txt", "2\n")
    write(checkpoints, "engine.log", "INFO 01-14 09:31:00 [a.py:12] CUDA out of memory. Tried to allocate 2 GiB\n")
    agent = agents(project / "logs", project / "outputs", "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    assert f"also follows {checkpoints}: checkpoints, as the run says" in agent.output
    assert {row[0] for row in rows(store(tmp_path))["problems"]} == {"checkpoints/engine.log"}


@pytest.mark.real
def test_what_a_line_names_is_followed_when_it_comes(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    write(run, "train.log", STEP.format(1))
    agent = agents(run, "--listen", "none")
    agent.says("trainer: train.log")
    write(run, "train.log", f"(TaskRunner pid=1)  'rollout_data_dir': '{elsewhere}',\n")
    rollouts(elsewhere, 1)
    agent.says("also follows")
    agent.says("rollouts: elsewhere/1.jsonl")
    rollouts(elsewhere, 2)
    until(lambda: read_files(tmp_path) == {"elsewhere/1.jsonl", "elsewhere/2.jsonl"}, "a new file there")
    assert agent.end() == 0
    again = agents(run, "--listen", "none", "--once")
    assert again.process.wait(PATIENCE) == 0
    assert len(rows(store(tmp_path))["rollouts"]) == 2


def looked(given: Path, text: str, *configs: Path) -> tuple[list[Path], list[str]]:
    said: list[str] = []
    places = Places([given], said.append)
    places.learn({"rollout_dir": text})
    return places.look(configs), said


@pytest.mark.parametrize("wide", ["/", "~", "/tmp", "{tmp}", "{tmp}/run/..", "/proc/self", "{tmp}/.hidden"])
def test_a_place_that_holds_more_than_the_run_is_not_followed(tmp_path: Path, wide: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / ".hidden").mkdir()
    found, said = looked(tmp_path / "run", wide.format(tmp=tmp_path))
    assert found == []
    assert len(said) == 1
    assert "not followed" in said[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_place_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    assert "belongs to somebody else" in looked(tmp_path / "run", str(tmp_path / "theirs"))[1][0]


def test_a_place_is_waited_for_and_one_inside_the_run_needs_no_word(tmp_path: Path) -> None:
    (tmp_path / "run" / "inside").mkdir(parents=True)
    assert looked(tmp_path / "run", "inside") == ([], [])
    said: list[str] = []
    places = Places([tmp_path / "run"], said.append)
    assert places.learn({"log_dir": str(tmp_path / "later")})
    assert not places.learn({"log_dir": str(tmp_path / "later")})
    assert places.look([]) == []
    (tmp_path / "later").mkdir()
    assert places.look([]) == [tmp_path / "later"]
    assert places.look([]) == []


def test_a_relative_path_is_one_from_where_hydra_was_started(tmp_path: Path) -> None:
    write(tmp_path, f"project/{HYDRA}", "a: 1\n")
    (tmp_path / "project" / "dumps").mkdir()
    (tmp_path / "logs").mkdir()
    found, _ = looked(tmp_path / "logs", "dumps", tmp_path / "project" / HYDRA)
    assert found == [tmp_path / "project" / "dumps"]
