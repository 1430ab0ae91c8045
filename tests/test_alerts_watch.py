"""The agent as a process, with channels: what it tells of a run, also when it is killed at any moment."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import SECRET, HttpReceiver, until

from rli_agent.samples.make_samples import make

PATIENCE = 30.0


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    one = HttpReceiver()
    yield one
    one.close()


class Agent:
    """A `rli-agent` process whose output is collected in a file."""

    def __init__(self, folder: Path, *arguments: object, url: str = "", wait: bool = False) -> None:
        self.log = folder / f"agent-{time.monotonic_ns()}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RLI_AGENT", "SLURM"))}
        env |= {"TZ": "UTC", "no_proxy": "127.0.0.1"} | ({"RLI_AGENT_WEBHOOK": url} if url else {})
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", *map(str, arguments)], stdout=out, stderr=subprocess.STDOUT, env=env
            )
        if wait:
            self.process.wait(PATIENCE)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    started: list[Agent] = []

    def start(*arguments: object, url: str = "", wait: bool = False) -> Agent:
        state = ("watch", "--listen", "none", "--state-dir", tmp_path / "state")
        started.append(Agent(tmp_path, *state, *arguments, url=url, wait=wait))
        return started[-1]

    yield start
    for agent in started:
        agent.kill()


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    found = list(folder.glob("state/runs/*/run.sqlite"))
    if not found:
        return []
    with contextlib.closing(sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True, timeout=30)) as db:
        try:
            return db.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []


def attached(folder: Path) -> bool:
    """Whether the agent has read all that was there, and remembers that it did."""
    return query(folder, "SELECT 1 FROM knowledge WHERE name = 'life' AND json_extract(value, '$.attached')") != []


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def step(number: int, second: int) -> str:
    return (
        f"{clock(second)} SUCCESS Step {number} | 5.5s | Loss {number / 1000:.4f} | Entropy 0.41 | Mismatch KL 0.0005 "
        "| Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB\n"
    )


@pytest.mark.real
def test_killed_at_any_moment_it_tells_each_thing_and_none_twice(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Agent]
) -> None:
    chance = random.Random(7)
    receiver.takes = lambda: chance.random() < 0.5
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n")
    agent = watch(log.parents[1], url=receiver.url)
    until(lambda: attached(tmp_path), "the agent to be attached")
    said = [step(n, 30000 + 60 * n) for n in (1, 2, 3, 4)]
    said += [f"{clock(30600)}    INFO Resuming training from checkpoint step 2\n"]
    said += [step(n, 30600 + 60 * n) for n in range(3, 10)]
    said += [f"{clock(31300)} SUCCESS RL trainer finished!\n"]
    for number, text in enumerate(said):
        with log.open("a") as out:
            out.write(text)
        if number % 2:
            held = time.monotonic() + chance.uniform(0.0, 0.6)
            until(lambda held=held: time.monotonic() >= held, "a random moment")  # type: ignore[misc]
            agent.kill()
            agent = watch(log.parents[1], url=receiver.url)
    until(lambda: "finished" in receiver.kinds, "the end to be told", 60.0)
    left = "SELECT count(*) FROM deliveries WHERE delivered IS NULL"
    until(lambda: query(tmp_path, left) == [(0,)], "all to be noted")
    keys = [request.key for request in receiver.taken]
    assert list(dict.fromkeys(receiver.kinds)) == ["started", "resumed", "finished"]
    assert len(set(keys)) == 3
    assert len(keys) <= 4, "at most one may have come twice: taken, and killed before that was noted"
    (resumed,) = {told.json["title"] for told in receiver.taken if told.json["kind"] == "resumed"}
    assert resumed.startswith("resumed from step 2: steps 3 to 4 are done again")
    assert query(tmp_path, "SELECT number, first_step, last_step, resumed_from FROM attempts") == [
        (1, 1, 4, None), (2, 3, 9, 2),
    ]  # fmt: skip


@pytest.mark.real
def test_what_happened_while_nobody_took_messages_comes_later_and_the_secret_stays_one(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Agent]
) -> None:
    receiver.takes = lambda: False
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n")
    agent = watch(log.parents[1], url=receiver.url)
    until(lambda: attached(tmp_path), "the agent to be attached")
    with log.open("a") as out:
        out.write(step(1, 30060))
    until(lambda: len(receiver.got) >= 3, "some tries in vain")
    agent.kill()
    assert query(tmp_path, "SELECT kind, delivered FROM deliveries") == [("started", None)]
    receiver.takes = lambda: True
    second = watch(log.parents[1], url=receiver.url)
    until(lambda: receiver.kinds == ["started"], "the message of before")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE) == 0
    assert "[info] started: step 1 of 9 is done" in agent.output
    assert re.search(r"WARNING channel webhook \(127.0.0.1:\d+\) does not take messages \(503 no\)", agent.output)
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        assert SECRET.encode() not in path.read_bytes(), path
    told = receiver.taken[0].json
    assert (told["project"], told["run"][:4], told["status"]) == ("run", "run-", "firing")


@pytest.mark.parametrize("framework", ["prime-rl", "verl"])
def test_a_healthy_run_read_once_tells_nothing(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Agent], framework: str
) -> None:
    make(tmp_path)
    agent = watch(tmp_path / framework, "--once", url=receiver.url, wait=True)
    assert agent.process.returncode == 0, agent.output
    assert receiver.taken == []
    assert query(tmp_path, "SELECT * FROM messages") == []
    assert "finished: step 1" in agent.output


def test_a_failed_run_read_once_is_told_here_and_kept_without_a_webhook(
    tmp_path: Path, watch: Callable[..., Agent]
) -> None:
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    trouble = 'Traceback (most recent call last):\n  File "train.py", line 3, in f\n    g()\n'
    log.write_text(
        f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n{step(1, 30060)}{step(2, 30120)}"
        f"{clock(30130)}   ERROR Fatal error in train\n{trouble}torch.OutOfMemoryError: CUDA out of memory. Tried to\n"
    )
    for _ in range(2):
        agent = watch(log.parents[1], "--once", wait=True)
        assert "failed: step 2 of 9" in agent.output
    told = query(tmp_path, "SELECT kind, severity, title, step FROM messages")
    title = "failed at step 2 of 9: torch.OutOfMemoryError: CUDA out of memory. Tried to"
    assert told == [("failed", "critical", title, 2)]
    assert query(tmp_path, "SELECT * FROM deliveries") == []


def test_the_command_test_says_what_came_back(tmp_path: Path, receiver: HttpReceiver) -> None:
    taken = Agent(tmp_path, "alerts", "test", url=receiver.url, wait=True)
    assert taken.process.returncode == 0
    assert re.search(r"webhook \(127.0.0.1:\d+\) took the message: 200 ok", taken.output)
    assert receiver.kinds == ["test"]
    receiver.takes = lambda: False
    refused = Agent(tmp_path, "alerts", "test", url=receiver.url, wait=True)
    assert refused.process.returncode == 1
    assert "did not take the message: 503 no" in refused.output
    none = Agent(tmp_path, "alerts", "test", wait=True)
    assert none.process.returncode == 2
    assert "no channel is configured" in none.output
    assert SECRET not in taken.output + refused.output + none.output
