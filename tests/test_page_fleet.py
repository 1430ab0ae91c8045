"""All runs on one page: of this machine and, by a Prometheus, of others; searched, those first that need somebody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, until
from browser import Visit
from growing_run import write, write_run
from page_client import PageClient
from real_prometheus import prometheus_of

HYDRA = "outputs/2026-01-14/09-30-05/.hydra/config.yaml"
STEP = "(TaskRunner pid=1) step:{0} - actor/pg_loss:0.5 - critic/score/mean:0.25 - training/global_step:{0}\n"
OOM = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\ntorch.OutOfMemoryError: CUDA out of memory.\n'
NAMES = """() => [...document.querySelectorAll('.run .name')]
    .map((one) => one.textContent.split(' · ').pop().split('-')[0])"""

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def started() -> Iterator[Any]:
    agents: list[Agent] = []

    def start(folder: Path, *arguments: object, command: str = "watch") -> Agent:
        folder.mkdir(exist_ok=True)
        agents.append(Agent(folder, *arguments, "--listen", "127.0.0.1:0", command=command))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


def broken(root: Path) -> None:
    """A verl run on 16 GPUs that has died in its third step."""
    write(root, HYDRA, "trainer: {n_gpus_per_node: 8, nnodes: 2, total_training_steps: 9}\n")
    write(root, "train.log", STEP.format(1) + STEP.format(2) + OOM)


def going(root: Path) -> None:
    write_run(root, 3)


def names(visit: Visit) -> list[str]:
    return list(visit.page.evaluate(NAMES))


def test_runs_are_searched_by_name_framework_and_what_is_said_of_them(
    tmp_path: Path, started: Any, browser: Any
) -> None:
    for name in ("alpha", "beta", "gamma"):
        going(tmp_path / "runs" / name)
    broken(tmp_path / "runs" / "delta")
    visit = Visit(browser, started(tmp_path, tmp_path / "runs"))
    visit.until("() => document.querySelectorAll('.run .name').length === 4")
    search = visit.page.get_by_label("Search")
    for text, found in (("bet", ["beta"]), ("VERL", ["delta"]), ("memory", ["delta"]), ("prime gam", ["gamma"])):
        search.fill(text)
        visit.until(f"found => ({NAMES})().join() === found.join()", found)
    search.fill("no such run")
    assert "None of them." in visit.text(".runs")
    visit.page.evaluate("location.hash = '/?q=alp'")
    visit.page.reload()
    visit.page.wait_for_selector(".run .name")
    assert names(visit) == ["alpha"]
    visit.behaved()
    visit.close()


def test_runs_of_other_machines_stand_beside_those_of_this_one(tmp_path: Path, started: Any, browser: Any) -> None:
    broken(tmp_path / "broken")
    going(tmp_path / "going")
    there = started(tmp_path / "there", tmp_path / "broken", "--run-id", "broken-1")
    started(tmp_path, tmp_path / "going")
    with prometheus_of(tmp_path, int(there.url.rsplit(":", 1)[1].split("/")[0])) as prometheus:
        page = started(tmp_path, "--prometheus", f"http://127.0.0.1:{prometheus.port}", command="page")
        page.says("page: http")
        client = PageClient.of(page)
        until(lambda: [one.get("step") for one in client.ask("/api/fleet").get("runs", [])] == [2], "that run's steps")
        visit = Visit(browser, page)
        visit.until("() => document.querySelectorAll('.run .name').length === 2")
        assert sorted(names(visit)) == ["broken", "going"]
        card = visit.text(".run:has-text('broken-1')")
        assert "step 2 of 9" in card
        assert "cuda_oom" in card
        assert visit.page.locator(".run:has-text('broken-1') a").count() == 0  # its page is with its own agent
        assert visit.page.locator(".run:has-text('going') a").count() == 1
        visit.behaved()
        visit.close()
    until(lambda: "nobody answers" in client.ask("/api/fleet").get("error", ""), "the end of the Prometheus")
