"""Engines that answered the agent become scrape targets of the machine's Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import answering

from rli_agent.engines.addresses import Address
from rli_agent.engines.poller import EnginePoller
from rli_agent.events import Shape
from rli_agent.server.engine_targets import EngineTargets
from rli_agent.server.targets import TOUCH

from .conftest import until

PAGES = {
    "vllm": b"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 1\n",
    "sglang": b"# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs 1\n",
    "router": b"# TYPE vllm_router_active_workers gauge\nvllm_router_active_workers 1\n",
}
HERE = Address("127.0.0.1", 8000)
SECURE = Address("fd00::7", 8443, "https", "/other")


class Run:
    """A run with engines, and time that passes for it."""

    def __init__(self, root: Path) -> None:
        (root / "server").mkdir()
        self.active = True
        self.engines: dict[Address, str] = {}
        self.now = 0.0
        labels = {"run": "r", "project": ""}
        self.targets = EngineTargets("r", lambda: self.engines, lambda: labels, lambda: self.active, root)

    def later(self) -> list[dict[str, Any]]:
        """What is registered after the next look."""
        self.now += TOUCH
        self.targets.tick(self.now)
        path = self.targets.path
        listed: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        return listed


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_engines_are_registered_with_their_job_place_and_run(run: Run) -> None:
    assert run.later() == []
    run.engines = {SECURE: "sglang", HERE: "vllm"}
    one, other = run.later()
    assert one["targets"] == ["127.0.0.1:8000"]
    assert one["labels"] == {"run": "r", "job": "vllm", "__scheme__": "http", "__metrics_path__": "/metrics"}
    assert other["targets"] == ["[fd00::7]:8443"]
    assert other["labels"] == {"run": "r", "job": "sglang", "__scheme__": "https", "__metrics_path__": "/other"}


def test_a_look_is_taken_now_and_then(run: Run) -> None:
    run.later()
    run.engines = {HERE: "vllm"}
    run.targets.tick(run.now + TOUCH - 1)
    assert not run.targets.path.exists()
    assert run.later()


def test_they_go_with_the_run_and_with_the_agent(run: Run) -> None:
    run.engines = {HERE: "vllm"}
    assert run.later()
    run.active = False
    assert run.later() == []
    run.active = True
    assert run.later()
    run.targets.close(1.0)
    assert not run.targets.path.exists()


def test_without_a_stack_nothing_is_written(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "server").rmdir()
    run.engines = {HERE: "vllm"}
    assert run.later() == []
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server() -> Iterator[dict[str, Any]]:
    """Answers with `page`; None is a 404."""
    it: dict[str, Any] = {"page": None}
    with answering(lambda _: it["page"]) as port:
        it["port"] = port
        yield it


@pytest.mark.parametrize(("kind", "job"), [("vllm", "vllm"), ("sglang", "sglang"), ("router", None)])
def test_an_engine_is_known_once_it_has_answered_and_stays_known(
    server: dict[str, Any], kind: str, job: str | None
) -> None:
    address = Address("127.0.0.1", server["port"], given=True)
    poller = EnginePoller([address], lambda names, units, _: Shape(names, units, (None,) * len(names)), every=0.05)
    try:
        server["page"] = PAGES[kind]
        until(poller.take)
        assert poller.known == ({address: job} if job else {})
        server["page"] = None
        until(lambda: poller.answering == 0)
        assert poller.known == ({address: job} if job else {})
    finally:
        poller.close(5.0)
