"""The agent as a process, with channels: what it tells of a run, also when it is killed at any moment."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import PATIENCE, Command, attached, query
from prime_rl_logs import clock, step
from receivers import SECRET, HttpReceiver, MailReceiver, until

from rli_agent.samples.make_samples import make


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*arguments: object, env: dict[str, str] | None = None, wait: bool = False) -> Command:
        state = ("watch", "--listen", "none", "--state-dir", tmp_path / "state")
        started.append(Command(tmp_path, *state, *arguments, env=env, wait=wait))
        return started[-1]

    yield start
    for agent in started:
        agent.kill()


@pytest.mark.real
def test_killed_at_any_moment_it_tells_each_thing_on_each_channel_and_none_twice(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Command]
) -> None:
    chance = random.Random(7)
    receiver.takes = lambda: chance.random() < 0.5
    mails, told = MailReceiver(), tmp_path / "told"
    mails.answers = ["451 later", "250 OK", "451 later"]
    (tmp_path / "alerts.yaml").write_text(
        f"channels:\n- {{name: hook, type: webhook, url: '{receiver.url}'}}\n"
        f"- {{name: mail, type: email, host: 127.0.0.1, port: {mails.port}, security: none, from: a@b, to: c@d}}\n"
        f"- {{name: program, type: command, command: [sh, -c, 'cat >> {told}']}}\n"
    )
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n")
    agent = watch("--alerts", tmp_path / "alerts.yaml", log.parents[1])
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
            agent = watch("--alerts", tmp_path / "alerts.yaml", log.parents[1])
    left = "SELECT count(*), count(*) FILTER (WHERE delivered IS NULL) FROM deliveries"
    until(lambda: query(tmp_path, left) == [(9, 0)], "three messages on three channels to be noted", 60.0)
    mails.close()
    keys = [request.key for request in receiver.taken]
    assert list(dict.fromkeys(receiver.kinds)) == ["started", "resumed", "finished"]
    programs = [json.loads(line)["kind"] for line in told.read_text().splitlines()]
    assert list(dict.fromkeys(programs)) == ["started", "resumed", "finished"]
    ids = [mail["Message-ID"] for mail in mails.mails]
    assert len(set(keys)) == len(set(ids)) == 3
    assert max(map(len, (keys, ids, programs))) <= 4, "one may have come twice: taken, and killed before it was noted"
    (resumed,) = {told.json["title"] for told in receiver.taken if told.json["kind"] == "resumed"}
    assert resumed.startswith("resumed from step 2: steps 3 to 4 are done again")
    assert query(tmp_path, "SELECT number, first_step, last_step, resumed_from FROM attempts") == [
        (1, 1, 4, None), (2, 3, 9, 2),
    ]  # fmt: skip


@pytest.mark.real
def test_what_happened_while_nobody_took_messages_comes_later_and_the_secret_stays_one(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Command]
) -> None:
    receiver.takes = lambda: False
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n")
    agent = watch(log.parents[1], env=receiver.variables)
    until(lambda: attached(tmp_path), "the agent to be attached")
    with log.open("a") as out:
        out.write(step(1, 30060))
    until(lambda: len(receiver.got) >= 3, "some tries in vain")
    agent.kill()
    assert query(tmp_path, "SELECT kind, delivered FROM deliveries") == [("started", None)]
    receiver.takes = lambda: True
    second = watch(log.parents[1], env=receiver.variables)
    until(lambda: receiver.kinds == ["started"], "the message of before")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE) == 0
    assert "[info] started: step 1 of 9 is done" in agent.output
    assert re.search(r"WARNING channel webhook \(127.0.0.1:\d+\) does not take messages \(503 no\)", agent.output)
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        assert SECRET.encode() not in path.read_bytes(), path
    told = receiver.taken[0].json
    assert (told["project"], told["run"][:4], told["status"]) == ("run", "run-", "firing")


@pytest.mark.real
@pytest.mark.parametrize("framework", ["prime-rl", "verl"])
def test_a_healthy_run_read_once_tells_nothing(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Command], framework: str
) -> None:
    make(tmp_path)
    agent = watch(tmp_path / framework, "--once", env=receiver.variables, wait=True)
    assert agent.process.returncode == 0, agent.output
    assert receiver.taken == []
    assert query(tmp_path, "SELECT * FROM messages") == []
    assert "finished: step 1" in agent.output


@pytest.mark.real
def test_a_failed_run_read_once_is_told_here_and_kept_without_a_webhook(
    tmp_path: Path, watch: Callable[..., Command]
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
        assert "failed at step 2 of 9: torch.OutOfMemoryError" in agent.output
    told = query(tmp_path, "SELECT kind, severity, title, step FROM messages")
    title = "failed at step 2 of 9: torch.OutOfMemoryError: CUDA out of memory. Tried to"
    assert told == [("failed", "critical", title, 2)]
    assert query(tmp_path, "SELECT * FROM deliveries") == []


@pytest.mark.real
def test_a_watch_that_comes_after_the_crash_says_so_at_once(tmp_path: Path, watch: Callable[..., Command]) -> None:
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    begun = int(time.time() - 3600.0) % 86400
    log.write_text(
        f"{clock(begun)}    INFO Starting training loop (max_steps=9)\n{step(1, begun + 60)}{step(2, begun + 120)}"
        'Traceback (most recent call last):\n  File "train.py", line 3, in f\n'
        "torch.OutOfMemoryError: CUDA out of memory.\n"
    )
    os.utime(log, (time.time() - 900.0, time.time() - 900.0))
    agent = watch(log.parents[1])
    until(lambda: "of 9" in agent.output, "a status line")
    said = [line for line in agent.output.split("\n") if "of 9" in line]
    assert said[0] == "[critical] failed at step 2 of 9: torch.OutOfMemoryError: CUDA out of memory.", said
    assert query(tmp_path, "SELECT strftime('%s', 'now') - time > 600 FROM problems") == [(1,)]


def test_the_command_test_says_what_came_back(tmp_path: Path, receiver: HttpReceiver) -> None:
    taken = Command(tmp_path, "alerts", "test", env=receiver.variables, wait=True)
    assert taken.process.returncode == 0
    assert re.search(r"webhook \(127.0.0.1:\d+\) took the message: 200 ok", taken.output)
    assert receiver.kinds == ["test"]
    receiver.takes = lambda: False
    refused = Command(tmp_path, "alerts", "test", env=receiver.variables, wait=True)
    assert refused.process.returncode == 1
    assert "did not take the message: 503 no" in refused.output
    none = Command(tmp_path, "alerts", "test", wait=True)
    assert none.process.returncode == 2
    assert "no channel is configured" in none.output
    assert SECRET not in taken.output + refused.output + none.output


DIED = {
    "its own memory": ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", ["failed"]),
    "another node's end": (
        "torch.distributed.DistBackendError: [Rank 8] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=9, OpType=ALLREDUCE, Timeout(ms)=600000)",
        [],
    ),
}


@pytest.mark.real
@pytest.mark.parametrize("what", DIED)
def test_a_node_that_does_not_lead_tells_what_it_died_of_and_not_of_what_befell_all(
    tmp_path: Path, receiver: HttpReceiver, watch: Callable[..., Command], what: str
) -> None:
    said, told = DIED[what]
    log = tmp_path / "run" / "logs" / "trainer" / "node_1.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        f"{clock(30000)}    INFO Starting training loop (max_steps=9)\n[rank8]: Traceback (most recent call last):\n"
        f'[rank8]:   File "/opt/train.py", line 10, in <module>\n[rank8]:     main()\n[rank8]: {said}\n'
    )
    an_hour_ago = time.time() - 3600
    os.utime(log, (an_hour_ago, an_hour_ago))
    agent = watch("--nodes", "alpha,beta", "--node", "beta", "--files", "own", log.parents[2], env=receiver.variables)
    until(lambda: attached(tmp_path), "the agent to be attached")
    agent.process.terminate()  # what is to be sent is sent first
    agent.process.wait(PATIENCE)
    assert receiver.kinds == told
    assert all(request.json["title"].startswith("beta: failed") for request in receiver.taken)
