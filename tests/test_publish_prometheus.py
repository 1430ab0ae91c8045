"""A real Prometheus reads the agent's page, and promtool finds nothing to say about the common names."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rli_agent.catalogue import Catalogue
from rli_agent.events import Interval, Problem, RolloutBatch, RunFact, Samples, Shape, Source
from rli_agent.publish.exposition import Exposition, RunLabels
from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer
from rli_agent.rollout_statistics import BOUNDS, COUNTS, RolloutStatistics

CATALOGUE = Catalogue.load()
NASTY = 'say "hi" \\ {x="1"} é 数 \x1b[31m\n# EOF'


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed; run `make test`, which installs it (Debian package prometheus)")
    return path


def rollouts() -> RolloutStatistics:
    """Eight, with every count and every quantity, and names as bad as they come."""
    found = RolloutStatistics(**dict.fromkeys(COUNTS, 8))  # type: ignore[arg-type]
    for quantity in (*BOUNDS, f"part:{NASTY}", f"metric:{NASTY}"):
        for value in (0.25, 1.0):
            found.add(quantity, value)
    return found


def filled() -> Exposition:
    """Every gauge of the catalogue, one of each other event, and a key and label as bad as they come."""
    it = Exposition(RunLabels("proj", "exp", "run-1", "verl"), CATALOGUE)
    counted = ("rl_step", "rl_max_steps")
    fed = [q.name for q in CATALOGUE if q.type == "gauge" and "state" not in q.labels and q.name not in counted]
    keys = tuple(f"native/{name}" for name in fed)
    common = Shape(keys, (None,) * len(keys), tuple(fed))
    nasty = Shape(("critic/rewards/mean", "0" + NASTY), (None, None), (None, None), (("environment", NASTY),))
    trainer = Source("trainer.log", "trainer", "trainer")
    now = time.time()
    it.record(
        [
            Samples("trainer.log", 1, 0, now, "logged", 3, common, [0.5] * len(keys), ""),
            Samples("trainer.log", 2, 0, now, "logged", 3, nasty, [0.25, float("inf")], ""),
            Interval("trainer.log", 3, 0, "logged", "trainer", "rollout", 3, now - 9, now - 5),
            Interval("trainer.log", 3, 0, "logged", "trainer", "step", 3, now - 9, now),
            Interval("trainer.log", 4, 0, "logged", "trainer", "wait", 4, now, None),
            Problem("trainer.log", 5, 0, now, "logged", "ERROR", "nan", "loss is nan", 2),
            RolloutBatch("r.jsonl", 1, 0, now, "logged", 3, "train", "math", rollouts()),
            RunFact("trainer.log", 6, 0, now, "logged", "max_steps", "400"),
        ],
        trainer,
    )
    it.own.read("trainer", 6, 600)
    it.own.lag("trainer.log", 12, 0.5)
    it.own.committed(now)
    it.own.parse_errors("trainer")
    it.own.rule_timed_out("verl/step-line")
    it.own.exporter_queued("otlp", 1)
    it.own.exporter_failed("otlp")
    return it


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


def call(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return json.load(reply)["data"]


class Prometheus:
    def __init__(self, port: int) -> None:
        self.port = port

    def query(self, promql: str) -> dict[str, float]:
        """Values by the query's legend: the labels as JSON."""
        found = call(self.port, "/api/v1/query?query=" + urllib.parse.quote(promql))["result"]
        return {json.dumps(r["metric"], sort_keys=True): float(r["value"][1]) for r in found}

    def target(self) -> dict[str, Any]:
        return next(iter(call(self.port, "/api/v1/targets")["activeTargets"]), {})


def wait_for(what: Callable[[], Any], says: Callable[[], object]) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if got := what():
                return got
        except OSError:
            pass
        time.sleep(0.1)  # between two looks at the condition
    return pytest.fail(f"still not so after 60 s: {says()}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Exposition, Prometheus]]:
    binary = program("prometheus")
    bound = bind("127.0.0.1:0", explicit=True)
    assert bound
    it = filled()
    server = MetricsServer(bound[0], it.render, lambda: "step 3")
    server.start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: rli-agent, static_configs: [{{targets: ['127.0.0.1:{server.port}']}}]}}\n"
    )
    log = tmp_path / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=out, stderr=out,
        )  # fmt: skip
    prometheus = Prometheus(port)
    try:

        def scraped() -> bool:
            assert process.poll() is None, log.read_text()
            return prometheus.target().get("health") in ("up", "down")

        wait_for(scraped, log.read_text)
        yield it, prometheus
    finally:
        process.terminate()
        process.wait(30)
        server.close()


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
