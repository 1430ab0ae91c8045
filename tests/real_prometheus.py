"""A real Prometheus that scrapes pages of ours, and a page with a series of every kind."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import free_port

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

    def at(self, promql: str) -> list[Any]:
        """Values of an instant query that says itself when (`@`): a number a series, or its [time, value] pairs."""
        found = call(self.port, "/api/v1/query?query=" + urllib.parse.quote(promql))["result"]
        return [r["values"] if "values" in r else float(r["value"][1]) for r in found]

    def target(self) -> dict[str, Any]:
        return next(iter(call(self.port, "/api/v1/targets")["activeTargets"]), {})


def wait_for(what: Callable[[], Any], says: Callable[[], object], patience: float = 60) -> Any:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if got := what():
                return got
        except OSError:
            pass
        time.sleep(0.1)  # between two looks at the condition
    return pytest.fail(f"still not so after {patience:.0f} s: {says()}")


@contextlib.contextmanager
def serving(render: Callable[[bool], bytes]) -> Iterator[int]:
    """The port at which a page is served."""
    bound = bind("127.0.0.1:0")
    assert bound
    server = MetricsServer(bound[0], render, lambda: "step 3")
    server.start()
    try:
        yield server.port
    finally:
        server.close()


@contextlib.contextmanager
def prometheus_of(folder: Path, *ports: int) -> Iterator[Prometheus]:
    """A Prometheus that has scraped these pages of this machine, and does so each second."""
    config = folder / "prometheus.yml"
    targets = ", ".join(f"'127.0.0.1:{p}'" for p in ports)
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: rli-agent, honor_labels: true, static_configs: [{{targets: [{targets}]}}]}}\n"
    )
    with _started(config, folder / "data") as (prometheus, process, log):

        def scraped() -> bool:
            assert process.poll() is None, log.read_text()
            return prometheus.target().get("health") in ("up", "down")

        wait_for(scraped, log.read_text)
        yield prometheus


@contextlib.contextmanager
def prometheus_over(data: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes nothing, over these blocks, however old they are."""
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n")
    with _started(config, data) as (prometheus, process, log):

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return prometheus.at("vector(1)") == [1.0]

        wait_for(ready, log.read_text)
        yield prometheus


@contextlib.contextmanager
def _started(config: Path, data: Path) -> Iterator[tuple[Prometheus, subprocess.Popen[bytes], Path]]:
    port = free_port()
    log = config.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}",
             "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        yield Prometheus(port), process, log
    finally:
        process.terminate()
        process.wait(30)
