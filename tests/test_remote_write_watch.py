"""`rli-agent watch --remote-write`: what it sends is what it shows, and what it says of settings that cannot work."""

from __future__ import annotations

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent_process import Agent, until
from growing_run import write_run
from receivers import HttpReceiver
from remote_receiver import all_taken, of

import rli_agent.samples

SAMPLES = Path(rli_agent.samples.__path__[0])
SERIES = re.compile(r"(rl_\w+){(.*)} (\S+)")


def watch(folder: Path, *arguments: object, env: dict[str, str] | None = None) -> Agent:
    return Agent(folder, *arguments, env={"RLI_AGENT_SERVER_ROOT": str(folder / "none"), **(env or {})})


def shown(page: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The run's own gauges on a page, by their labels."""
    found = {}
    for name, labels, value in SERIES.findall(page):
        pairs = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
        key = {name: value for name, value in pairs.items() if value} | {"__name__": name}
        found[tuple(sorted(key.items()))] = float(value)
    return found


def _agree(sent: float, seen: float | None) -> bool:
    """The page shows what the console told first, perhaps rounded; what is sent has the digits of the metric file."""
    return seen is not None and math.isclose(sent, seen, rel_tol=0.02, abs_tol=1e-4)


@pytest.mark.real
@pytest.mark.parametrize("framework", ["verl", "prime-rl", "slime"])
def test_the_newest_of_each_series_that_is_sent_is_what_a_scrape_shows(
    tmp_path: Path, receiver: HttpReceiver, framework: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLES / framework, run)
    for path in run.rglob("*.jsonl"):  # rollouts, a file a step: as a run writes them, not as a checkout did
        if step := re.findall(r"(?:step_|/)(\d+)(?=[/.])", str(path.relative_to(run))):
            os.utime(path, (time.time() - 1000 + int(step[-1]),) * 2)
    labels = ("--remote-write-labels", "job=j", "--remote-write-labels", "instance=i")
    agent = watch(tmp_path, run, "--remote-write", receiver.url, "--remote-write-mode", "history", *labels)
    place = {("job", "j"), ("instance", "i")}

    def differing() -> object:
        """What is sent and shown, where that is not the same yet; None where nothing was sent."""
        page = shown(agent.metrics())
        sent = {tuple(sorted(set(key) - place)): values[max(values)] for key, values in all_taken(receiver).items()}
        runs = {key: value for key, value in sent.items() if dict(key)["__name__"].startswith("rl_") and value == value}
        told = {key: value for key, value in runs.items() if dict(key).get("role") != "metrics"}
        return {k: (v, page.get(k)) for k, v in told.items() if not _agree(v, page.get(k))} if runs else None

    try:
        until(lambda: differing() == {}, f"the same both ways, but {differing()}", 120)
        assert len(all_taken(receiver)) > 20
    finally:
        agent.end()


@pytest.mark.real
def test_a_node_that_nobody_scrapes_sends_its_counters_too(tmp_path: Path, receiver: HttpReceiver) -> None:
    write_run(tmp_path / "run", 3)
    arguments = ("--remote-write", receiver.url, "--remote-write-interval", "1s", "--listen", "none")
    agent = watch(tmp_path, tmp_path / "run", *arguments, env={"RLI_AGENT_REMOTE_WRITE_HEADERS": "x-scope-orgid=a%20b"})
    try:

        def lines() -> list[float]:
            found = [s for s in all_taken(receiver) if dict(s)["__name__"] == "rli_agent_lines_total"]
            return [max(all_taken(receiver)[series].values()) for series in found]

        until(lines, "the page", 60)
    finally:
        assert agent.end() == 0
    assert receiver.got[0].headers["x-scope-orgid"] == "a b"
    built = of(all_taken(receiver), "rli_agent_build_info", job="rli-agent", instance=socket.gethostname())
    assert list(built.values())[-1] != list(built.values())[-1], "it ends with the watch"


@pytest.mark.real
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--remote-write", "prometheus:9090"], "is not a URL to send figures to: give a URL like http://"),
        (["--remote-write", "http://u:p@h/api/v1/write"], "carries a password"),
        (["--remote-write-labels", "0x=1"], "is not a label: give NAME=VALUE"),
        (["--remote-write", "http://h/x", "--remote-write-headers-file", "gone"], "cannot be read from gone"),
        (["--remote-write", "http://h/x", "--remote-write-ca", "gone"], "'gone' does not exist"),
        (["--remote-write-interval", "often"], "often"),
    ],
)
def test_what_cannot_work_is_said_at_the_start(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "run").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "rli_agent", "watch", "run", "--state-dir", "state", "--listen", "none", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "RLI_AGENT_SERVER_ROOT": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
