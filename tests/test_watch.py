"""`rli-agent watch` as a process: on runs that are being written, killed at any moment, and on bad input."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import PATIENCE, Agent, rows, store, until
from growing_run import script, trainer, write, write_run


@pytest.mark.real
def test_killed_at_twenty_moments_it_keeps_what_an_undisturbed_watch_keeps(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    chance = random.Random(20)
    said = script(220, begun=int(time.time() - 5 * 3600) % 86400)  # times to come would be of the day before, or not
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


@pytest.mark.real
def test_a_line_is_on_the_page_soon_after_it_was_written(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_run(run, 3)
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


@pytest.mark.real
def test_a_relative_path_and_a_link_are_followed_like_any_other(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    write_run(tmp_path / "run", 2)
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


@pytest.mark.real
def test_files_and_directories_that_appear_later_are_read(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "not-there-yet"
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says(f"waiting for {run} to appear")
    write_run(run, 2)
    until(lambda: re.search(r"^rl_step\{.*\} 2\.0$", agent.metrics(), re.MULTILINE), "step 2")
    agent.says("prime-rl")
    assert agent.end() == 0


@pytest.mark.real
def test_a_restart_shows_at_once_what_was_known(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    write_run(run, 5)
    assert agents(run, "--listen", "none", "--once").process.wait(PATIENCE) == 0
    for file in ("logs/trainer.log", "logs/orchestrator.log"):
        (run / file).write_bytes((run / file).read_bytes())  # untouched content, nothing new to read
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: "rl_policy_entropy{" in agent.metrics(), "entropy of before")
    step = re.compile(r"^rl_step_duration_seconds\{.*\} 6\.5$", re.MULTILINE)
    until(lambda: step.search(agent.metrics()), "the step of before")
    assert agent.end() == 0
    with contextlib.closing(sqlite3.connect(store(tmp_path))) as db:
        assert db.execute("SELECT count(*) FROM samples WHERE name = 'loss/mean'").fetchone() == (5,)


@pytest.mark.real
def test_what_was_read_is_kept_where_the_run_is_deleted_meanwhile(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    write_run(run, 5)
    agent = agents(run, "--listen", "none")
    agent.says("step 5")
    shutil.rmtree(run)
    agent.says(f"waiting for {run} to appear")
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
    write_run(run, 3)
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
    write_run(run, 3)
    (run / "logs" / "trainer.log").chmod(0)
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says(r"trainer\.log.*Permission denied")
    (run / "logs" / "trainer.log").chmod(0o644)
    until(lambda: "rl_insight_monitor_loss_mean{" in agent.metrics(), "the trainer's figures")


@pytest.mark.real
def test_a_broken_pack_is_named_with_line_and_mend_and_the_rest_works(
    tmp_path: Path, agents: Callable[..., Agent]
) -> None:
    run = tmp_path / "run"
    write_run(run, 3)
    bad = run / ".rli-agent" / "rules" / "mine.yaml"
    bad.parent.mkdir(parents=True)
    bad.write_text("pack: mine\nrules:\n  - {id: a, patern: 'x'}\n")
    agent = agents(run, "--listen", "none", "--once")
    assert agent.process.wait(PATIENCE) == 0
    assert re.search(r"mine\.yaml:3:13: unknown key `patern`; did you mean `pattern`\?", agent.output)
    assert len(rows(store(tmp_path))["samples"]) > 40
    named = agents(run, "--rules", bad, "--listen", "none", "--once")
    assert named.process.wait(PATIENCE) == 2, "a pack that was asked for is refused at the start"
    assert re.search(r"error: .*mine\.yaml:3:13: unknown key `patern`", named.output)


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


@pytest.mark.real
def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    write_run(run, 2)
    first = agents(run, "--listen", "127.0.0.1:0")
    port = first.url.rsplit(":", 1)[1].split("/")[0]
    (tmp_path / "other").mkdir()
    second = Agent(tmp_path / "other", run, "--listen", f"127.0.0.1:{port}")
    assert second.process.wait(PATIENCE) == 2
    assert re.search(rf"error: .*{port}.*taken", second.output), second.output
    assert "Traceback" not in second.output


def test_a_read_only_output_directory_is_never_written(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = tmp_path / "run"
    write_run(run, 2)
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
    write_run(run, 2)
    first = agents(run, "--listen", "none")
    first.says("store: ")
    second = agents(run, "--listen", "none", "--once")
    assert second.process.wait(90) == 2
    assert "Traceback" not in second.output
    assert first.end() == 0
