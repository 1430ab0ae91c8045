"""Fixtures of more than one test file. No property is judged by the clock of a busy machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent
from browser import chromium
from hypothesis import settings
from receivers import HttpReceiver

from rli_agent.rulebook import Rulebook
from rli_agent.store.run_store import RunRow, RunStore

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    started: list[Agent] = []

    def start(*arguments: object, **more: Any) -> Agent:
        started.append(Agent(tmp_path, *arguments, **more))
        return started[-1]

    yield start
    for agent in started:
        with contextlib.suppress(ProcessLookupError):
            agent.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium. Closed with the module: as long as it is open, its event loop runs in the tests' thread."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="session")
def book() -> Rulebook:
    """The packs that ship."""
    return Rulebook()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(tmp_path / "run.sqlite", RunRow("r-1", "/runs/r", 5.0))
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    one = HttpReceiver()
    yield one
    one.close()
