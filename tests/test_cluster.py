"""One run on three hosts, an agent on each, one of them killed meanwhile: nothing is lost and nothing counted twice,
neither in the stores nor in the Prometheus that scrapes the agents and takes the history that they send."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import until
from growing_run import orchestrator, stamp, trainer, trouble, write
from hosts import Hosts, HubPrometheus, prometheus_on_hub
from prime_rl_logs import clock
from real_prometheus import wait_for

NAMES = ("alpha", "beta", "gamma")
STEPS, KILLED, BACK = 40, 12, 25
#: When the run began, in Unix seconds: what it logs lies well before what is scraped.
START = int(time.time()) - 3 * 3600


def engine(step: int, second: int) -> str:
    """A line of vLLM's log of itself (0.10)."""
    return (
        f"INFO {time.strftime('%m-%d', time.gmtime(second))} {clock(second)} [loggers.py:123] Engine 000: "
        f"Avg prompt throughput: {100 + step}.0 tokens/s, Avg generation throughput: {200 + step}.0 tokens/s, "
        f"Running: {step % 7} reqs, Waiting: 0 reqs, GPU KV cache usage: {step}.0%, Prefix cache hit rate: 0.0%\n"
    )


def write_step(root: Path, step: int) -> int:
    """What the run writes in a step, on all of its nodes, as of three hours ago; how many of the lines are errors."""
    second = START + 60 * step
    write(root, "logs/trainer.log", trainer(step, second))
    write(root, "logs/orchestrator.log", orchestrator(step, second) + trouble(step, second + 1))
    for number, name in enumerate(NAMES):
        write(root, f"logs/inference/node_{number}.log", engine(step, second))
        write(root, f"logs/envs/train/maths/env_{name}.log", trouble(step, second + number))
    return 1 + len(NAMES)


class Node:
    """An agent on a host, with a state directory of its own. `start` has it send the run's history to a receiver."""

    def __init__(self, hosts: Hosts, name: str, root: Path, folder: Path) -> None:
        self.store = folder / name / "runs" / "three" / "run.sqlite"
        self.address, listen = hosts.listen(name)
        watch = [sys.executable, "-m", "rli_agent", "watch", str(root), "--run-id", "three", "--plain", *listen]
        about = ["--nodes", ",".join(NAMES), "--files", "shared", "--state-dir", str(folder / name)]
        self._command = hosts.on(name, [*watch, *about])
        self.log = folder / f"{name}.log"

    def start(self, receiver: str) -> None:
        history = ["--remote-write", receiver, "--remote-write-mode", "history"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*self._command, *history], stdout=out, stderr=out,
                env={**os.environ, "TZ": "UTC", "HOME": str(self.log.parent)},
            )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()  # `ip netns exec`, unshare and sh have become the agent
        self.process.wait(30)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts(NAMES)
    yield made
    made.close()


@pytest.fixture
def nodes(hosts: Hosts, tmp_path: Path) -> Iterator[dict[str, Node]]:
    root = tmp_path / "shared" / "run"
    write(root, "logs/trainer.log", f"[trainer0]:{stamp(START)}    INFO Starting training loop (max_steps={STEPS})\n")
    made = {name: Node(hosts, name, root, tmp_path) for name in NAMES}
    yield made
    for node in made.values():
        with contextlib.suppress(ProcessLookupError, AttributeError):
            node.kill()


@pytest.mark.real
def test_one_of_three_is_killed_and_started_again(hosts: Hosts, nodes: dict[str, Node], tmp_path: Path) -> None:
    root, errors = tmp_path / "shared" / "run", 0
    with prometheus_on_hub(hosts, tmp_path, [node.address for node in nodes.values()]) as prometheus:
        for node in nodes.values():
            node.start(prometheus.receiver)
        wait_for(lambda: prometheus.value("sum(up)") == 3, lambda: [node.log.read_text() for node in nodes.values()])
        begun = time.time()
        for step in range(1, STEPS + 1):
            errors += write_step(root, step)
            if step == KILLED:
                wait_for(lambda: prometheus.value('sum(rl_problems_total{host="beta"})'), lambda: _counted(prometheus))
                nodes["beta"].kill()
                wait_for(lambda: prometheus.value("sum(up)") == 2, lambda: "beta's end was not seen")
            if step == BACK:
                nodes["beta"].start(prometheus.receiver)
                wait_for(lambda: prometheus.value("sum(up)") == 3, nodes["beta"].log.read_text)
            until(lambda step=step: _newest_step(nodes["alpha"]) == step, f"step {step} in alpha's store")  # type: ignore[misc]
        wait_for(lambda: prometheus.value("sum(rl_problems_total)") == errors, lambda: _counted(prometheus))
        wait_for(lambda: prometheus.value("min(rl_step)") == STEPS, lambda: prometheus.query("rl_step"))
        _nothing_lost_or_doubled_in_prometheus(prometheus, begun)
        wait_for(lambda: _histories(prometheus) == HISTORIES, lambda: _histories(prometheus))
    _nothing_lost_or_doubled_in_the_stores(nodes, root)


#: Each step once: the trainer's figures of alpha, and those of each engine.
HISTORIES = {
    "rl_throughput_tokens_per_second": {"": [str(20_000 + step) for step in range(1, STEPS + 1)]},
    "rl_engine_generation_tokens_per_second": {
        str(number): [str(200 + step) for step in range(1, STEPS + 1)] for number in range(len(NAMES))
    },
}


def _histories(prometheus: HubPrometheus) -> dict[str, dict[str, list[str]]]:
    """All samples of the time when the run logged them, by metric and node, in the order of their times."""
    found: dict[str, dict[str, list[str]]] = {}
    for metric in HISTORIES:
        for row in prometheus.query(f"{metric}[3h] offset 1h"):
            values = found.setdefault(metric, {}).setdefault(row["metric"].get("node", ""), [])
            values += [value for _, value in row["values"]]
    return found


def _newest_step(node: Node) -> object:
    return node.rows("SELECT max(step) FROM lines")[0][0]


def _counted(prometheus: HubPrometheus) -> object:
    return prometheus.query("sum by (host) (rl_problems_total)")


def _nothing_lost_or_doubled_in_prometheus(prometheus: HubPrometheus, begun: float) -> None:
    assert {row["metric"]["run"] for row in prometheus.query('{__name__=~"rl_.+", host=~".+"}')} == {"three"}
    # No series comes from two agents, but the problems of a role, and what each says of itself and of its machine.
    apart = "rl_problems_total|rl_(host|gpu)_.+"
    named = f'label_replace({{__name__=~"rl_.+", __name__!~"{apart}"}}, "name", "$1", "__name__", "(.+)")'
    several = prometheus.query(f"count without (instance, job, host) ({named}) > 1")
    assert several == []
    assert {row["metric"]["host"] for row in prometheus.query("rl_run_life == 1")} == {"alpha"}
    # A restart takes no counter back, and the step never falls.
    for falls in ("sum(resets(rl_problems_total[10m]))", "sum(resets(rl_step[10m]))"):
        assert prometheus.value(falls) == 0
    steps = prometheus.query('rl_step{role="trainer"}', start=begun, end=time.time(), step=0.5)
    assert [row["metric"]["host"] for row in steps] == ["alpha"]
    engines = prometheus.query("rl_engine_generation_tokens_per_second")
    assert Counter(float(row["value"][1]) for row in engines) == {200.0 + STEPS: len(NAMES)}


def _nothing_lost_or_doubled_in_the_stores(nodes: dict[str, Node], root: Path) -> None:
    """Each line of figures and each problem is in exactly one of the stores."""
    for query, per_step in (
        ("SELECT DISTINCT file, line FROM samples", 2 + len(NAMES)),
        ("SELECT file, line FROM problems WHERE kind = 'cuda_oom'", 1 + len(NAMES)),
    ):
        found = Counter(row for node in nodes.values() for row in node.rows(query))
        assert set(found.values()) == {1}
        assert len(found) == per_step * STEPS
    read = [row for node in nodes.values() for row in node.rows("SELECT file, offset FROM sources WHERE offset > 0")]
    assert sorted(read) == sorted((str(p.relative_to(root)), p.stat().st_size) for p in root.rglob("*.log"))
