"""`rli-agent watch` as a process on what no trainer should write, and no user: it says so and goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import Agent, until
from growing_run import trainer, write, write_run

pytestmark = pytest.mark.real
#: Takes longer with every `a`, until the time that a pattern has is over.
EXPLODING = """
pack: mine
kind: problems
rules:
  - {id: bomb, contains: "aaaa", pattern: "(a|aa)+$", problem: {kind: other}}
"""


def new_run(folder: Path) -> Path:
    run = folder / "run"
    run.mkdir()
    write_run(run, 3)
    return run


def test_a_pattern_that_explodes_is_switched_off_and_said(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run, rules = new_run(tmp_path), tmp_path / "mine.yaml"
    rules.write_text(EXPLODING)
    agent = agents(run, "--listen", "127.0.0.1:0", "--rules", rules)
    agent.says(r"metrics: ")
    for step in range(4, 9):
        write(run, "logs/trainer.log", "a" * 60 + "b\n" + trainer(step, 31000 + step))
    agent.says(r"rule mine/bomb: its pattern needs more than 0\.1 s on a line of logs/trainer\.log: it is switched off")
    until(lambda: re.search(r"^rl_step\{.*\} 8\.0$", agent.metrics(), re.MULTILINE), "the steps behind it")
    assert re.search(r'^rli_agent_rules_timed_out_total\{.*rule="mine/bomb".*\} 3\.0$', agent.metrics(), re.MULTILINE)
    assert agent.end() == 0


def test_a_line_of_50_megabytes_costs_a_line(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = new_run(tmp_path)
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: re.search(r"^rl_step\{.*\} 3\.0$", agent.metrics(), re.MULTILINE), "step 3")
    with (run / "logs/trainer.log").open("a") as log:
        for _ in range(50):
            log.write("x" * 1_000_000)
        log.write("\n" + trainer(4, 31000))
    until(lambda: re.search(r"^rl_step\{.*\} 4\.0$", agent.metrics(), re.MULTILINE), "the step behind it")
    page = agent.metrics()
    resident = re.search(r"^rli_agent_process_resident_memory_bytes\{.*\} (\S+)$", page, re.MULTILINE)
    assert resident is not None
    assert float(resident[1]) < 200e6
    assert agent.end() == 0


def test_a_clock_that_jumps_back_loses_no_step(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    run = new_run(tmp_path)
    agent = agents(run, "--listen", "127.0.0.1:0")
    until(lambda: re.search(r"^rl_step\{.*\} 3\.0$", agent.metrics(), re.MULTILINE), "step 3")
    for step, second in ((4, 50_000), (5, 46_400), (6, 46_460)):  # an hour back between two steps
        write(run, "logs/trainer.log", trainer(step, second))
    until(lambda: re.search(r"^rl_step\{.*\} 6\.0$", agent.metrics(), re.MULTILINE), "step 6")
    assert agent.end() == 0
    assert "Traceback" not in agent.output
