"""Files that `rli_agent.api` writes, as the agent reads them: found, followed, added up, and never doubled or lost."""

from __future__ import annotations

import json
import re
import sys
from contextlib import closing
from pathlib import Path

import pytest
import python_api
from agent_process import Agent, Command, query, until
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.events import Interval, Problem, RunFact, Samples
from rli_agent.parsers.api_events import ApiEventsParser, ApiEventsState
from rli_agent.parsers.compiled import RuleSet
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.layouts import alone
from rli_agent.publish.spans.rows import Cursor, Rows
from rli_agent.publish.spans.sdk import readable
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

HEAD = '{"type":"process","rli_agent_events":1,"host":"h","pid":7,"project":"p","time":1763700000.0}\n'


def line(**said: object) -> str:
    return json.dumps({"time": 1763700000.0, **said}) + "\n"


def test_what_is_no_event_is_counted_and_passed_over() -> None:
    parser = ApiEventsParser(python_api.SOURCE, RuleSet([], python_api.SOURCE))
    bad = [
        "no JSON\n", "[1]\n", line(type="gauge", name="x", value="high"), line(type="gauge", value=1.0),
        line(type="counter", name="x", value=-1), line(type="counter", name="x", value="NaN"),
        line(type="gauge", name="x", value=1.0, step=10**30), '{"type":"gauge","name":"x","value":1.0,"time":-5}\n',
        '{"type":"gauge","name":"x","value":1.0,"time":1e400}\n', '{"type":"gauge","name":"\\ud800","value":1}\n',
    ]  # fmt: skip
    good = [HEAD, "\n", line(type="of tomorrow"), line(type="gauge", name="x", value="-Infinity")]
    found = parser.feed("".join([*bad, *good]).encode(), 0, 1)
    assert parser.state.broken == len(bad)
    assert [type(event) for event in found] == [RunFact, Samples]
    assert found[1].line == len(bad) + 4


@given(st.binary(max_size=300), st.integers(0, 400))
def test_anything_may_stand_in_a_file(junk: bytes, at: int) -> None:
    whole = (HEAD + line(type="begin", id="7.1", state="s", lane="l") + line(type="end", id="7.1", start=1.0)).encode()
    python_api.parsed(whole[:at] + junk + whole[at:])


def test_a_long_story_is_bounded() -> None:
    long = "x" * 100_000
    labels = {f"{i}{long}": long for i in range(100)}
    text = HEAD + line(type="gauge", name=long, value=1.0, labels=labels, help=long)
    text += line(type="span", name=long, lane=long, start=1763690000.0, labels=labels)
    _, samples, interval = python_api.parsed(text.encode())
    assert isinstance(samples, Samples)
    assert isinstance(interval, Interval)
    assert len(str(samples)) < 40_000
    assert len(str(interval)) < 300_000


def test_states_are_remembered_over_a_restart_and_end_with_their_process() -> None:
    begun = HEAD + line(type="begin", id="7.1", state="a", lane="l") + line(type="begin", id="8.1", state="a", lane="l")
    first = ApiEventsParser(python_api.SOURCE, RuleSet([], python_api.SOURCE))
    python_api.parsed(begun.encode(), first)
    state = ApiEventsState.decode(first.state.encode())
    second = ApiEventsParser(python_api.SOURCE, RuleSet([], python_api.SOURCE), state)
    over = python_api.parsed(HEAD.encode(), second)
    assert [(e.state, e.start == e.end, e.duration) for e in over if isinstance(e, Interval)] == [("a", True, None)]
    assert list(second.state.opened) == ["8.1"]


def test_a_process_that_told_of_steps_ends_the_run_and_lost_events_are_a_problem() -> None:
    finish, worker = line(type="finish", pid=7, steps=True), line(type="finish", pid=8, steps=False)
    told = python_api.parsed((HEAD + worker + line(type="lost", count=3) + finish).encode())
    assert [e.value for e in told if isinstance(e, RunFact) and e.key == "life"] == ["finished"]
    (problem,) = (e for e in told if isinstance(e, Problem))
    assert problem.message.startswith("3 events")


TRAINER = """
import sys, rli_agent.api as i
i.init("math", "run-7", {"output_dir": sys.argv[1]})
for step in range(10):
    with i.trace_state("rollout", "replica_0", step=step, secret=step):
        i.metric_count("served", 2, "Requests", kind="chat")
        i.metric_distribution("wait_s", 0.02 * (step % 3), buckets=(0.01, 0.03))
    i.metric_value("reward", step / 100, step=step)
i.trace_state("train", "actor_0").__enter__()
"""


@pytest.mark.real
def test_a_watch_shows_what_a_trainer_says_that_no_pack_knows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    python_api.run(TRAINER, run)
    agent = Agent(tmp_path, run)
    try:
        until(lambda: 'state="train"' in agent.metrics(), "the state that the trainer is in")
        page = agent.metrics()
    finally:
        agent.end()
    head = r'\{project="math",experiment_name="run-7",run="\S+",framework="unknown",role="trainer"'
    for wanted in (
        rf'rl_insight_monitor_served_total{head},kind="chat"\}} 20.0', rf"rl_insight_monitor_reward{head}\}} 0.09",
        rf'rl_insight_monitor_wait_s_bucket{head},le="0.01"\}} 4.0',
        rf'rl_insight_monitor_wait_s_bucket{head},le="0.03"\}} 7.0', rf"rl_insight_monitor_wait_s_count{head}\}} 10.0",
        rf"rl_reward_mean{head}\}} 0.09", r"rl_state_elapsed_seconds\S+lane=\"actor_0\",state=\"train\"",
        r"# HELP rl_insight_monitor_served_total Requests\n# TYPE rl_insight_monitor_served_total counter",
        rf'rl_phase_duration_seconds{head},lane="replica_0",state="rollout"\}}',
    ):  # fmt: skip
        assert re.search(wanted, page), wanted
    assert "secret" not in page  # what is said of a state belongs to its span


CALLS, PROCESSES = 4000, 4
MANY = f"""
import os, sys, time, rli_agent.api as i
i.init(config={{"output_dir": sys.argv[1]}})
os.fork()
for n in range({CALLS}):
    i.metric_count("calls"); i.metric_value("n", n, pid=os.getpid()); i.metric_distribution("spread", n % 10)
    if n % 10 == 0: time.sleep(0.005)
"""


def test_what_is_said_of_a_state_is_on_its_span(tmp_path: Path) -> None:
    text = HEAD + line(
        type="span", name="agent_session", lane="experiment=e/sample=1", start=1763699990.0,
        labels={"global_steps": 5, "share": 0.5, "status": "success", "finished": True, "monitor.trace_segment": "x"},
    )  # fmt: skip
    with closing(RunStore.open(tmp_path / "run.sqlite", RunRow("r", "/r", 1.0))) as kept:
        kept.commit(python_api.parsed(text.encode()), [])
        rows = Rows(kept.path)
        rows.begin(Cursor())
        ((state,),) = rows.chunks()
        rows.close()
    with closing(read_only(kept.path)) as db:
        labels = db.execute("SELECT labels FROM intervals").fetchone()
    assert json.loads(labels[0])["attributes"]["global_steps"] == 5
    (span,) = readable([alone("r", state)], Encoder(RunLabels))
    said = span.attributes or {}
    assert {k: said[k] for k in ("global_steps", "share", "status", "finished", "monitor.trace_segment")} == {
        "global_steps": 5, "share": 0.5, "status": "success", "finished": True, "monitor.trace_segment": "x",
    }  # fmt: skip
    assert (state.lane, state.end - state.start) == ("experiment=e/sample=1", 10.0)


@pytest.mark.real
def test_exec_tells_its_command_where_to_write(tmp_path: Path) -> None:
    trainer = tmp_path / "train.py"
    trainer.write_text("import rli_agent.api as i\ni.init()\ni.metric_value('reward', 0.5, step=3)\n")
    for log in ([], ["--log", tmp_path / "own" / "name.log"], ["--output-dir", tmp_path / "out"]):
        words = ["exec", "--state-dir", tmp_path / "state", "--listen", "none", *log, "--", sys.executable, trainer]
        agent = Command(tmp_path, *words, wait=True)
        assert re.search(r"finished: python\S* ended with exit status 0 at step 3", agent.output), agent.output


@pytest.mark.real
def test_killed_agents_lose_no_call_of_several_processes_and_double_none(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    trainers = [python_api.program(MANY, run) for _ in range(PROCESSES // 2)]

    def kept() -> int:
        return int((query(tmp_path, "SELECT count(*) FROM lines") or [(0,)])[0][0])

    wanted = CALLS * PROCESSES
    for share in (0.1, 0.4, 0.7):
        agent = Agent(tmp_path, run)
        until(lambda share=share: kept() > share * wanted * 3, "some of the calls")  # type: ignore[misc]
        agent.kill()
    agent = Agent(tmp_path, run)
    for trainer in trainers:
        trainer.communicate()
    until(lambda: kept() >= 3 * wanted, "all of the calls")
    page = agent.metrics()
    agent.end()
    told = dict(query(tmp_path, "SELECT name, count(*) FROM samples GROUP BY name"))
    assert told == {"calls": wanted, "n": wanted, "spread": wanted}
    each = query(tmp_path, "SELECT count(DISTINCT value) FROM samples WHERE name = 'n' GROUP BY labels")
    assert each == [(CALLS,)] * PROCESSES
    assert re.search(rf"rl_insight_monitor_calls_total\S+ {wanted}\.0\n", page)
    assert re.search(rf"rl_insight_monitor_spread_count\S+ {wanted}\.0\n", page)
