"""Agents register themselves with the stack of their machine, and are scraped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rli_agent.samples import prime_rl_run
from rli_agent.server import targets
from rli_agent.server.places import Places
from rli_agent.server.targets import EXPIRY, TOUCH, Registration, sweep

from .conftest import Stack, until

RUN = Path(__file__).parents[2] / "samples" / "prime-rl" / prime_rl_run.DIR
LABELS = {"project": "p", "experiment_name": "", "run": 'r"\n\x1b'}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Of a stack that was started at least once."""
    (tmp_path / "server").mkdir()
    return Places(tmp_path)


def test_nothing_is_written_where_there_is_no_stack(tmp_path: Path) -> None:
    it = Registration("127.0.0.1", 9092, tmp_path)
    it.tick(0.0, LABELS)
    it.close()
    assert list(tmp_path.iterdir()) == []


def test_a_stack_that_comes_later_is_found(tmp_path: Path) -> None:
    it = Registration("127.0.0.1", 9092, tmp_path)
    it.tick(0.0, LABELS)
    (tmp_path / "server").mkdir()
    it.tick(TOUCH - 1, LABELS)
    assert not it.path.exists()
    it.tick(TOUCH, LABELS)
    assert it.path.exists()


def test_a_registration_is_in_prometheuss_form_and_goes_with_its_agent(places: Places) -> None:
    it = Registration("0.0.0.0", 9092, places.root)
    it.tick(0.0, LABELS)
    assert json.loads(it.path.read_text()) == [
        {"targets": ["127.0.0.1:9092"], "labels": {"project": "p", "run": 'r"\ufffd\ufffd'}}
    ]
    assert [p.name for p in places.targets.iterdir()] == [it.path.name]
    it.close()
    assert list(places.targets.iterdir()) == []


def test_new_labels_are_written_at_once(places: Places) -> None:
    it = Registration("::1", 9092, places.root)
    it.tick(0.0, {"run": "a"})
    it.tick(1.0, {"run": "b"})
    assert json.loads(it.path.read_text()) == [{"targets": ["[::1]:9092"], "labels": {"run": "b"}}]


def test_a_target_that_was_removed_comes_back(places: Places) -> None:
    it = Registration("127.0.0.1", 9092, places.root)
    it.tick(0.0, LABELS)
    it.path.unlink()
    it.tick(TOUCH, LABELS)
    assert it.path.exists()


def test_a_directory_that_cannot_be_written_harms_nobody() -> None:
    it = Registration("127.0.0.1", 9092, Path("/proc/self"))
    it.tick(0.0, LABELS)
    it.close()


def test_targets_of_agents_that_were_not_heard_of_go(places: Places) -> None:
    it = Registration("127.0.0.1", 9092, places.root)
    it.tick(0.0, LABELS)
    touched = it.path.stat().st_mtime
    assert sweep(places.targets, touched + EXPIRY) == []
    assert sweep(places.targets, touched + EXPIRY + 1) == [it.path.name]
    assert sweep(places.targets / "none", 0.0) == []


def test_an_agent_touches_its_target_more_often_than_it_expires() -> None:
    assert 3 * targets.TOUCH < targets.EXPIRY


def scraped(stack: Stack) -> list[dict[str, Any]]:
    """The agents that Prometheus looks at."""
    return [t for t in stack.status()[1]["targets"] or [] if t["job"] == "rli-agent"]


@pytest.mark.real
def test_a_watch_is_scraped_under_its_own_labels_until_it_ends(stack: Stack, tmp_path: Path) -> None:
    stack.start()
    command = [sys.executable, "-m", "rli_agent", "watch", "--listen", "127.0.0.1:0", "--state-dir"]
    command += [str(tmp_path), str(RUN)]
    environment = {**stack.environment, "RLI_AGENT_SERVER_ROOT": str(stack.root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watch:
        try:
            (agent,) = until(lambda: [t for t in scraped(stack) if t["health"] == "up"])
            run = agent["labels"]["run"]
            said = stack("status").out
            assert f"rli-agent {agent['address']} run {run}" in said

            (series,) = until(lambda: stack.get("/api/v1/query?query=rl_run_active")["data"]["result"])
            assert series["metric"]["run"] == run  # not exported_run
            assert {"project", "experiment_name", "framework"} <= series["metric"].keys()
            (life,) = stack.get("/api/v1/query?query=rl_run_life==1")["data"]["result"]
            assert life["metric"]["state"] in ("running", "stalled", "finished")
        finally:
            watch.terminate()
            watch.communicate(timeout=60)
    until(lambda: not scraped(stack))
