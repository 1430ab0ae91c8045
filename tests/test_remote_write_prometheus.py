"""History in a real Prometheus, and in a real VictoriaMetrics: each step at the time that the log gives it, once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, store, until
from growing_run import stamp, trainer, write, write_run
from loopback import free_port
from real_prometheus import program

pytestmark = pytest.mark.real

DAY = 86_400
#: The midnight before the run of three days ago.
MIDNIGHT = int(time.time()) // DAY * DAY - 3 * DAY
LOSS = "rl_insight_monitor_loss_mean"


def server(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rli_agent", "server", *arguments, "--root", str(root)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """The root of a stack whose Prometheus runs."""
    program("prometheus")
    root = tmp_path / "stack"
    server(root, "start", "--detach", "--only", "prometheus", "--ports", "auto")
    yield root
    server(root, "stop")


def url(root: Path) -> str:
    return str(json.loads(server(root, "status", "--json"))["programs"][0]["url"])


def ask(base: str, query: str) -> list[dict[str, Any]]:
    found = f"{base}/api/v1/query?query={urllib.parse.quote(query)}"
    with urllib.request.urlopen(found, timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


def samples(base: str, name: str, **labels: str) -> dict[float, float]:
    """Raw samples of the one series of this name: time → value."""
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = ask(base, f"{name}{{{wanted}}}[5d]")
    assert len(found) <= 1, [one["metric"] for one in found]
    values = [(float(at), float(value)) for one in found for at, value in one["values"]]
    assert len(values) == len(dict(values))
    return dict(values)


def written(path: Path, name: str) -> dict[float, float]:
    """The same of the store."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT round(time, 3), value FROM samples WHERE name = ?", (name,)).fetchall()
    assert len(found) == len(dict(found))
    return dict(found)


def three_days_ago(root: Path, steps: int) -> None:
    write_run(root, steps)
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (MIDNIGHT + 30_000 + 60 * steps + 20,) * 2)


def agent(folder: Path, stack: Path, *arguments: object) -> Agent:
    return Agent(folder, folder / "run", *arguments, env={"RLI_AGENT_SERVER_ROOT": str(stack)})


def test_a_run_of_three_days_ago_shows_each_step_at_its_time(tmp_path: Path, stack: Path) -> None:
    three_days_ago(tmp_path / "run", 50)
    watch, base = agent(tmp_path, stack), url(stack)
    try:
        expected = {float(MIDNIGHT + 30_000 + 60 * step): float(step) for step in range(1, 51)}

        def shown() -> dict[float, float]:
            return samples(base, "rl_step", role="orchestrator", job="rli-agent")

        until(lambda: expected.items() <= shown().items(), "each step at its time")
        until(lambda: len(shown()) > 50, "scrapes in the same series")
        losses = {at: value for at, value in samples(base, LOSS).items() if at < MIDNIGHT + DAY}
        assert losses == written(store(tmp_path), "loss/mean")
        assert set(shown().values()) == set(expected.values())
    finally:
        watch.end()


def test_a_killed_agent_loses_and_doubles_nothing(tmp_path: Path, stack: Path) -> None:
    steps = 15_000  # two seconds apart
    text = "".join(trainer(step, 2 * step).replace(stamp(2 * step + 5), stamp(2 * step)) for step in range(1, steps))
    write(tmp_path / "run", "logs/trainer.log", text)
    os.utime(tmp_path / "run/logs/trainer.log", (MIDNIGHT + 2 * steps,) * 2)
    base, kills = url(stack), 0
    to = ("--remote-write", f"{base}/api/v1/write", "--remote-write-mode", "history", "--listen", "none")
    reached = 0
    while kills < 3:
        watch = agent(tmp_path, stack, *to)
        until(lambda before=reached: len(samples(base, LOSS)) > before, "more samples")  # type: ignore[misc]
        watch.kill()
        kills += 1
        reached = len(samples(base, LOSS))
        assert reached < steps - 1, "it was killed too late"
    watch = agent(tmp_path, stack, *to)
    until(lambda: len(samples(base, LOSS)) == steps - 1, "all samples")
    assert watch.end() == 0
    assert samples(base, LOSS) == written(store(tmp_path), "loss/mean")


def test_what_was_written_while_prometheus_was_away_arrives(tmp_path: Path, stack: Path) -> None:
    three_days_ago(tmp_path / "run", 5)
    watch, base = agent(tmp_path, stack), url(stack)
    try:
        until(lambda: len(samples(base, LOSS)) >= 5, "the first steps")
        server(stack, "stop")
        for step in range(6, 30):
            write(tmp_path / "run", "logs/trainer.log", trainer(step, 30_000 + 60 * step))
        until(lambda: len(written(store(tmp_path), "loss/mean")) == 29, "the steps meanwhile")
        server(stack, "start", "--detach", "--only", "prometheus", "--ports", "auto")
        expected = written(store(tmp_path), "loss/mean")
        until(lambda: expected.items() <= samples(url(stack), LOSS).items(), "all of them", 60)
    finally:
        watch.end()


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("victoria-metrics")
    if binary is None:
        pytest.skip("victoria-metrics is not installed (Debian package victoria-metrics)")
    port = free_port()
    line = [binary, f"-storageDataPath={tmp_path / 'victoria'}", f"-httpListenAddr=127.0.0.1:{port}"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_victoria_metrics_takes_the_same(tmp_path: Path, victoria: str) -> None:
    three_days_ago(tmp_path / "run", 50)
    watch = agent(tmp_path, tmp_path / "none", "--remote-write", f"{victoria}/api/v1/write", "--listen", "none")

    def taken(name: str) -> dict[float, float]:
        with contextlib.suppress(OSError):
            return samples(victoria, name)
        return {}

    try:
        until(lambda: len(taken(LOSS)) >= 50, "the history", 60)
        until(lambda: taken("rli_agent_build_info"), "what the page shows")
        losses = {at: value for at, value in taken(LOSS).items() if at < MIDNIGHT + DAY}
        assert losses == written(store(tmp_path), "loss/mean")
    finally:
        watch.end()
