"""A real Prometheus reads the agent's page, and promtool finds nothing to say about the common names."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_prometheus import NASTY, Prometheus, filled, program, prometheus_of, serving, wait_for

from rli_agent.events import Interval, Samples, Shape, Source
from rli_agent.publish.exposition import Exposition


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Exposition, Prometheus]]:
    it = filled()
    with serving(it.render) as port, prometheus_of(tmp_path, port) as prometheus:
        yield it, prometheus


def test_promtool_finds_no_fault_with_the_names_that_are_ours() -> None:
    """Native names are the frameworks' own words, and may well not be to its taste; syntax must be right in all."""
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=filled().render(False), capture_output=True, timeout=60
    )
    said = (done.stdout + done.stderr).decode().splitlines()
    assert done.returncode in (0, 3), said  # 1: it cannot be read
    assert [line for line in said if not line.startswith("rl_insight_monitor_")] == []


def test_promtool_can_find_fault() -> None:
    page = b"# TYPE rl_bad_total gauge\nrl_bad_total 1\n"
    done = subprocess.run([program("promtool"), "check", "metrics"], input=page, capture_output=True, timeout=60)
    assert done.returncode == 3


@pytest.mark.real
def test_a_real_prometheus_reads_every_series(served: tuple[Exposition, Prometheus]) -> None:
    it, prometheus = served
    target = prometheus.target()
    assert (target["health"], target["lastError"]) == ("up", "")

    # every series on the page is in Prometheus, and no other
    page = it.render(False).decode().splitlines()
    lines = [line for line in page if not line.startswith("#")]
    count = wait_for(lambda: prometheus.query('count({job="rli-agent",__name__=~"rl.*"})'), prometheus.target)
    assert list(count.values()) == [len(lines)]

    assert prometheus.query('rl_problems_total{kind="nan",level="ERROR"}').popitem()[1] == 2
    assert prometheus.query('rl_rollouts_total{environment="math",stat="train"}').popitem()[1] == 8
    assert prometheus.query("rl_max_steps").popitem()[1] == 400
    assert prometheus.query('rl_phase_duration_seconds{state="rollout",lane="trainer"}').popitem()[1] == pytest.approx(
        4
    )
    assert prometheus.query("rl_insight_monitor_critic_rewards_mean").popitem()[1] == 0.25
    nasty = [json.loads(k) for k in prometheus.query('{environment=~"say.*"}')]
    assert {m["environment"] for m in nasty} == {'say "hi" \\ {x="1"} é 数 \ufffd[31m\ufffd# EOF'}
    assert all(m["run"] == "run-1" and m["experiment_name"] == "exp" for m in nasty)

    # RL-Insight's dashboards ask like this
    assert prometheus.query('rl_insight_monitor_critic_rewards_mean{project=~"proj",experiment_name=~"exp"}')

    # new values arrive; an ended state goes
    make = Shape(("critic/rewards/mean",), (None,), ("rl_reward_mean",), (("environment", NASTY),))
    trainer = Source("trainer.log", "trainer", "trainer")
    now = time.time()
    it.record(
        [
            Samples("trainer.log", 7, 0, now, "logged", 4, make, [0.75], ""),
            Interval("trainer.log", 8, 0, "logged", "trainer", "wait", 4, now - 1, now),
        ],
        trainer,
    )
    for promql in ("rl_insight_monitor_critic_rewards_mean == 0.75", 'rl_step{role="trainer"} == 4'):
        wait_for(lambda q=promql: prometheus.query(q), lambda: prometheus.query('{__name__=~"rl_.*"}'))  # type: ignore[misc]
    wait_for(lambda: not prometheus.query("rl_state_elapsed_seconds"), lambda: "the ended state is still there")
