"""A run of 40 days ago, older than what a running Prometheus takes: brought there as blocks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from growing_run import write_run

from .conftest import Answer, Stack, until

pytestmark = pytest.mark.real

DAY = 86_400
MIDNIGHT = int(time.time()) // DAY * DAY - 40 * DAY
STEPS = 20
EXPECTED = {float(MIDNIGHT + 30_000 + 60 * step): float(step) for step in range(1, STEPS + 1)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    root = tmp_path / "run"
    write_run(root, STEPS)
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (MIDNIGHT + 30_000 + 60 * STEPS + 20,) * 2)
    return root


def backfill(stack: Stack, *arguments: object) -> Answer:
    command = [sys.executable, "-m", "rli_agent", "backfill", *map(str, arguments), "--root", str(stack.root)]
    environment = {**stack.environment, "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def keep(stack: Stack, retention: str) -> None:
    (stack.root / "server.yaml").write_text(
        f"prometheus: {{port: {stack.ports['prometheus']}, retention: {retention}, scrape_interval: 1s}}\n"
    )


def steps(stack: Stack) -> Any:
    query = quote('rl_step{role="orchestrator",job="rli-agent",instance="127.0.0.1:9092"}[50d]')
    found = stack.get(f"/api/v1/query?query={query}")["data"]["result"]
    return {float(at): float(value) for series in found for at, value in series["values"]}


def test_each_step_of_an_old_run_is_there_at_its_time(stack: Stack, run: Path) -> None:
    keep(stack, "400d")
    stack.start()
    said = backfill(stack, run)
    assert said.code == 0, said.all
    assert f"{time.strftime('%Y-%m-%d', time.gmtime(MIDNIGHT))} 08:2" in said.out
    again = backfill(stack, run)
    assert (again.code, "brought there before" in again.out) == (0, True), again.all
    until(lambda: steps(stack), 120)
    assert steps(stack) == EXPECTED
    assert not list((stack.root / "server" / "data").glob(".backfill-*"))


def test_what_prometheus_would_delete_is_not_brought_to_it(stack: Stack, run: Path) -> None:
    keep(stack, "30d")
    stack.start()
    said = backfill(stack, run)
    assert said.code == 2
    assert "Prometheus keeps 30d" in said.err
    assert "retention: 42d" in said.err or "retention: 41d" in said.err


def test_without_a_stack_blocks_can_be_made(stack: Stack, run: Path, tmp_path: Path) -> None:
    said = backfill(stack, run)
    assert said.code == 2
    assert "--blocks DIR" in said.err
    said = backfill(stack, run, "--blocks", tmp_path / "blocks")
    assert said.code == 0, said.all
    blocks = list((tmp_path / "blocks").iterdir())
    made = [json.loads((block / "meta.json").read_text())["stats"]["numSamples"] for block in blocks]
    assert f"{sum(made):,} samples" in said.out
