"""`rli-agent watch` as a process: on runs that are being written, killed at any moment, and on bad input."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition; fail with what was waited for."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for: {what}"
        time.sleep(0.01)


class Agent:
    """A `rli-agent watch` process whose output is collected in a file."""

    def __init__(
        self, folder: Path, *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.log = folder / f"agent-{time.monotonic_ns()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rli_agent", "watch", "--state-dir", str(folder / "state"), *map(str,
                arguments)],
                stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "TZ": "UTC", **(env or {})}, cwd=cwd,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text()

    def says(self, pattern: str) -> None:
        until(lambda: re.search(pattern, self.output) or self.process.poll() is not None, pattern)
        assert re.search(pattern, self.output), self.output

    @property
    def url(self) -> str:
        self.says(r"metrics: http://\S+")
        return re.findall(r"metrics: (http://\S+)", self.output)[-1]

    def metrics(self) -> str:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return str(answer.read().decode())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    started: list[Agent] = []

    def start(*arguments: object, **more: Any) -> Agent:
        started.append(Agent(tmp_path, *arguments, **more))
        return started[-1]

    yield start
    for agent in started:
        with contextlib.suppress(ProcessLookupError):
            agent.kill()


def store(folder: Path) -> Path:
    (path,) = folder.glob("state/runs/*/run.sqlite")
    return path


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a store says, without the times that depend on when a line was read."""
    known = "CASE time_is WHEN 'logged' THEN round({0}, 6) END"
    queries = {
        "samples": f"SELECT file, line, step, name, printed, labels, {known.format('time')} FROM samples",
        "intervals": "SELECT file, line, lane, state, step, round(duration, 6), key, "
        f"{known.format('start')}, {known.format('end')} FROM intervals".replace("(end", '("end"'),
        "problems": f"SELECT file, line, level, kind, message, count, {known.format('time')} FROM problems",
        "rollouts": "SELECT file, line, step, phase, environment, count, reward_count, reward_sum, errors "
        "FROM rollouts",
        "facts": "SELECT file, line, key, value FROM facts WHERE file <> '.'",
        "sources": "SELECT file, offset, line FROM sources WHERE offset IS NOT NULL",
    }
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {name: sorted(db.execute(query).fetchall(), key=repr) for name, query in queries.items()}


# -- a run that is being written: prime-rl's trainer and orchestrator, a verl-like console would have no stamps


def clock(second: int) -> str:
    return f"\x1b[2m{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}\x1b[0m"


def trainer(step: int, second: int) -> str:
    return (
        f"[trainer0]:{clock(second)} \x1b[32mSUCCESS\x1b[0m \x1b[1mStep {step} | {step % 50 + 1}.5s | "
        f"Loss {step / 1000:.4f} | Entropy 0.4{step % 10} | Mismatch KL 0.0005 | Grad. Norm 0.0{step % 7 + 1} | "
        f"LR 3.00e-06 | Throughput {20000 + step} tokens/s | MFU 27.{step % 10}% | Peak Mem. 41.3 GiB\x1b[0m\n"
    )


def orchestrator(step: int, second: int) -> str:
    return (
        f"{clock(second)} SUCCESS Step {step} | {step % 40 + 1}.1s | Reward 0.{step % 90 + 10} | "
        f"Trainable 12/16 (75.0%) | Turns 1.0 | Branches 1.0 | Max Off-Policy 1 | Error 0.8% | "
        f"Truncation 1.{step % 10}%\n"
    )


def trouble(step: int, second: int) -> str:
    return (
        f"{clock(second)}   ERROR Fatal error in train\nTraceback (most recent call last):\n"
        f'  File "train.py", line {step}, in f\n    g()\ntorch.OutOfMemoryError: CUDA out of memory. '
        f"Tried to allocate {step}.00 GiB. GPU 0 has a total capacity of 79.19 GiB\n"
    )


def script(steps: int) -> list[tuple[str, str]]:
    """(file, text) in the order in which a run would write them."""
    said: list[tuple[str, str]] = [
        ("logs/trainer.log", f"[trainer0]:{clock(30000)}    INFO Starting training loop (max_steps={steps})\n"),
        ("logs/orchestrator.log", f"{clock(29999)}    INFO Starting orchestrator (algorithm: grpo)\n"),
        ("logs/orchestrator.log", f"{clock(30000)}    INFO Starting orchestrator loop (max_steps={steps})\n"),
    ]
    for step in range(1, steps + 1):
        second = 30000 + 60 * step
        said.append(("logs/orchestrator.log", orchestrator(step, second)))
        said.append(("logs/trainer.log", trainer(step, second + 5)))
        said.append((f"rollouts/step_{step}/train/all/traces.jsonl", rollout()))
        if step % 7 == 0:
            said.append(("logs/orchestrator.log", trouble(step, second + 9)))
        if step % 5 == 0:
            said.append(
                ("logs/trainer.log", f"[trainer0]:{clock(second + 10)}    INFO Saving checkpoint at step {step}\n")
            )
    return said


def rollout() -> str:
    records = [
        {"nodes": [], "rewards": {"a": 0.25 * i}, "env_name": "math", "errors": ["x"] if i == 3 else [], "ok": i != 3}
        for i in range(4)
    ]
    return "".join(json.dumps(record) + "\n" for record in records)


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as out:
        out.write(text)


@pytest.mark.real
def test_killed_at_twenty_moments_it_keeps_what_an_undisturbed_watch_keeps(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    chance = random.Random(20)
    said = script(220)
    run = tmp_path / "run"
    run.mkdir()
    kills = 0
    agent = agents(run, "--listen", "none")
    agent.says("store: ")
    for number, (file, text) in enumerate(said):
        cut = chance.randrange(len(text))
        for part in (text[:cut], text[cut:]):  # a trainer's write may be seen in two halves
            write(run, file, part)
        if kills < 20 and number % (len(said) // 21) == len(said) // 21 - 1:
            held = time.monotonic() + chance.uniform(0.0, 0.25)
            until(lambda held=held: time.monotonic() >= held, "a random moment")  # type: ignore[misc]
            agent.kill()
            kills += 1
            agent = agents(run, "--listen", "none")
            if chance.random() < 0.7:
                agent.says("store: ")
    assert kills == 20
    agent.kill()
    assert agents(run, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    killed = rows(store(tmp_path))
    calm = tmp_path / "calm"
    calm.mkdir()
    whole = Agent(calm, run, "--listen", "none", "--once")
    assert whole.process.wait(PATIENCE) == 0, whole.output
    for name, expected in rows(store(calm)).items():
        assert killed[name] == expected, name
    assert len(killed["samples"]) > 220 * 15
    assert [row[3] for row in killed["problems"] if row[0] == "logs/orchestrator.log"] == ["cuda_oom"] * 31


def test_a_line_is_on_the_page_soon_after_it_was_written(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for file, text in script(3):
        write(run, file, text)
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: re.search(r"^rl_step\{.*\} 3\.0$", agent.metrics(), re.MULTILINE), "step 3")
    before = time.monotonic()
    write(run, "logs/trainer.log", trainer(4, 31000))
    until(lambda: re.search(r"^rl_step\{.*role=\"trainer\".*\} 4\.0$", agent.metrics(), re.MULTILINE), "step 4")
    assert time.monotonic() - before < 5.0
    page = agent.metrics()
    assert re.search(
        r'^rl_insight_monitor_loss_mean\{.*framework="prime-rl".*role="trainer".*\} 0\.004$', page, re.MULTILINE
    )
    assert re.search(r"^rl_max_steps\{.*\} 3\.0$", page, re.MULTILINE)
    assert re.search(r'^rli_agent_lag_bytes\{.*source="logs/trainer\.log".*\} 0\.0$', page, re.MULTILINE)
    assert agent.end() == 0
    assert "step 4 of 3" in agent.output


def test_a_relative_path_and_a_link_are_followed_like_any_other(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    for file, text in script(2):
        write(tmp_path / "run", file, text)
    (tmp_path / "link").symlink_to("run")
    agent = agents("run", "--listen", "127.0.0.1:0", cwd=tmp_path)
    linked = agents("link", "--listen", "127.0.0.1:0", "--state-dir", tmp_path / "other", cwd=tmp_path)
    agent.says("trainer: logs/trainer.log")
    linked.says("trainer: logs/trainer.log")
    for step in (3, 4):  # the second one right after a read: a file that nothing is told of is looked at seconds later
        write(tmp_path / "run", "logs/trainer.log", trainer(step, 30000 + 100 * step))
        shown = re.compile(rf"^rl_step\{{.*\}} {step}\.0$", re.MULTILINE)
        for each in (agent, linked):
            until(lambda a=each, s=shown: s.search(a.metrics()), f"step {step}", 5.0)  # type: ignore[misc]


def test_files_and_directories_that_appear_later_are_read(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "not-there-yet"
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says(f"waiting for {run} to appear")
    for file, text in script(2):
        write(run, file, text)
    until(lambda: re.search(r"^rl_step\{.*\} 2\.0$", agent.metrics(), re.MULTILINE), "step 2")
    agent.says("prime-rl")
    assert agent.end() == 0


def test_a_restart_shows_at_once_what_was_known(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(5):
        write(run, file, text)
    assert agents(run, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    for file in ("logs/trainer.log", "logs/orchestrator.log"):
        (run / file).write_bytes((run / file).read_bytes())  # untouched content, nothing new to read
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: "rl_policy_entropy{" in agent.metrics(), "entropy of before")
    assert re.search(r"^rl_step_duration_seconds\{.*\} 6\.5$", agent.metrics(), re.MULTILINE)
    assert agent.end() == 0
    with contextlib.closing(sqlite3.connect(store(tmp_path))) as db:
        assert db.execute("SELECT count(*) FROM samples WHERE name = 'loss/mean'").fetchone() == (5,)


# -- bad input


def test_an_empty_directory_is_waited_on(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    (tmp_path / "run").mkdir()
    agent = agents(tmp_path / "run", "--listen", "none")
    agent.says("nothing to read in .* yet: waiting for log files")
    assert agent.process.poll() is None


def test_binary_nul_and_broken_utf8_cost_nothing_else(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(3):
        write(run, file, text)
    (run / "logs" / "core.bin").write_bytes(os.urandom(5000) + b"\0" * 5000)
    with (run / "logs" / "trainer.log").open("ab") as out:
        out.write(b"\xff\xfe\x80 junk\n\0\0\0\0\n" + b"\0" * 4096 + trainer(4, 30500).encode() + b"\xc3(\n")
    agent = agents(run, "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    said = [row for row in rows(store(tmp_path))["samples"] if row[3] == "loss/mean"]
    assert [row[2] for row in said] == [1, 2, 3, 4]
    assert not any("core.bin" in str(row[0]) for row in rows(store(tmp_path))["sources"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named_and_read_when_it_can_be(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(3):
        write(run, file, text)
    (run / "logs" / "trainer.log").chmod(0)
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says(r"trainer\.log.*Permission denied")
    (run / "logs" / "trainer.log").chmod(0o644)
    until(lambda: "rl_insight_monitor_loss_mean{" in agent.metrics(), "the trainer's figures")


def test_a_broken_pack_is_named_with_line_and_mend_and_the_rest_works(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    run = tmp_path / "run"
    for file, text in script(3):
        write(run, file, text)
    bad = tmp_path / "mine.yaml"
    bad.write_text("pack: mine\nrules:\n  - {id: a, patern: 'x'}\n")
    agent = agents(run, "--rules", bad, "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0
    assert re.search(r"mine\.yaml:3:13: unknown key `patern`; did you mean `pattern`\?", agent.output)
    assert len(rows(store(tmp_path))["samples"]) > 40


@pytest.mark.real
def test_a_pack_is_reloaded_while_watching(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_text("iter 1: speed 3\n")
    mine = run / ".rli-agent" / "rules" / "mine.yaml"
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says("train.log")
    mine.parent.mkdir(parents=True)
    mine.write_text(
        "pack: mine\ndetect: ['iter ']\nrules:\n"
        "  - {id: a, pattern: '^iter (?P<step>\\d+): speed (?P<v>\\S+)', metrics: {v: my/speed}}\n"
    )

    def seen() -> bool:
        with (run / "train.log").open("a") as out:
            out.write("iter 2: speed 4.5\n")
        return "rl_insight_monitor_my_speed{" in agent.metrics()

    until(seen, "the new rule to be in force")
    mine.write_text("pack: mine\nrules: 3\n")
    agent.says(r"mine\.yaml:2:\d+: .*the last good version stays in force")


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(2):
        write(run, file, text)
    first = agents(run, "--listen", "127.0.0.1:0")
    port = first.url.rsplit(":", 1)[1].split("/")[0]
    (tmp_path / "other").mkdir()
    second = Agent(tmp_path / "other", run, "--listen", f"127.0.0.1:{port}")
    assert second.process.wait(PATIENCE) == 2
    assert re.search(rf"error: .*{port}.*taken", second.output), second.output
    assert "Traceback" not in second.output


def test_a_read_only_output_directory_is_never_written(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(2):
        write(run, file, text)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    for folder in [run, *(p for p in run.rglob("*") if p.is_dir())]:
        folder.chmod(0o555)
    agent = agents(run, "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0, agent.output
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before
    for folder in [run, *(p for p in run.rglob("*") if p.is_dir())]:
        folder.chmod(0o755)


@pytest.mark.real
def test_two_watches_of_one_run_do_not_share_a_store(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    for file, text in script(2):
        write(run, file, text)
    first = agents(run, "--listen", "none")
    first.says("store: ")
    second = agents(run, "--listen", "none", "--once")
    assert second.process.wait(90) == 2
    assert "Traceback" not in second.output
    assert first.end() == 0
