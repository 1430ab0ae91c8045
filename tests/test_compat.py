"""Code that was written for RL-Insight 0.3.0, run as it is."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import python_api

import rli_agent.compat.rl_insight as shim
from rli_agent.compat.rl_insight import agent_loop

#: As `inspect.signature` gives them for rl-insight 0.3.0 of PyPI: parameters with their kinds and defaults.
SIGNATURES = {
    "agent_loop_session": "(*, project=None, experiment_name, sample, session, traj=0, uid=None, global_steps=None, "
    "session_id=None)",
    "finish": "()",
    "init": "(project=None, experiment_name=None, config=None)",
    "metric_count": "(name, amount=1.0, documentation='', **labels)",
    "metric_gauge": "(name, value, documentation='', **labels)",
    "metric_histogram": "(name, value, documentation='', **labels)",
    "trace_op": "(name=None, *, extra_labels=None, **static_labels)",
    "trace_span": "(*, name, start_time_ns, end_time_ns, attributes)",
    "trace_state": "(state_name, *, state_lane_id=None, **labels)",
    "update_prometheus_config": "(server_addresses, job_name=None, labels=None)",
}


def signature(function: object) -> str:
    found = inspect.signature(function)  # type: ignore[arg-type]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return str(inspect.Signature(plain))


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_public_name_has_rl_insights_signature(name: str) -> None:
    assert signature(getattr(shim, name)) == SIGNATURES[name]
    assert name in shim.__all__


def test_the_session_of_an_agent_loop_has_rl_insights_signature() -> None:
    assert signature(agent_loop.AgentLoopSession.finish) == (
        "(self, *, trajectories, status, runner_name=None, reward_source=None, finished=None)"
    )
    assert signature(agent_loop.agent_loop_lane_id) == "(experiment_name, sample, session, traj)"


PROGRAM = """
import asyncio, os, subprocess, sys, warnings
import rl_insight
from rl_insight.api import trace_span
from rl_insight import agent_loop_session, metric_gauge, trace_op, trace_state

warnings.simplefilter("error")
rl_insight.init("project", "experiment", config={"server": {"backend": "ray", "url": "http://127.0.0.1:18080"}})
rl_insight.metric_count("served", kind="chat")
metric_gauge("reward", value=0.5, documentation="The reward")
rl_insight.metric_histogram("wait", 0.5, buckets="a label here")

@trace_state("decorated", state_lane_id="actor_0", phase="train")
def decorated(): return 1

class Worker:
    rank = 3
    @trace_op(name="work", extra_labels=lambda self: {"rank": self.rank}, kind="x")
    async def work(self): return 2

assert (decorated(), asyncio.run(Worker().work())) == (1, 2)
with trace_state("outer"), trace_state("inner"):
    pass
session = agent_loop_session(experiment_name="e", sample=1, session=2, global_steps=7)
class Trajectory: chain_id, reward_score, num_turns = 3, 0.5, 4
session.finish(trajectories=[Trajectory()], status="success", finished=True)
rl_insight.update_prometheus_config(["127.0.0.1:8000"], job_name="vllm", labels=[None])
if len(sys.argv) < 2: subprocess.run([sys.executable, __file__, "child"], check=True)
try: rl_insight.init()
except RuntimeWarning: pass
else: raise SystemExit("a second init says nothing")
rl_insight.finish()
"""


def test_a_program_and_those_that_it_starts_run_unchanged(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(PROGRAM)
    subprocess.run(
        [sys.executable, "-m", "rli_agent.compat", sys.executable, program], check=True, cwd=tmp_path,
        env=python_api.environment(), timeout=60,
    )  # fmt: skip
    found = python_api.files(tmp_path)
    assert len(found) == 2  # the program's and its child's
    for file in found:
        told = python_api.lines(file)
        spans = {line["name"]: line for line in told if line["type"] == "span"}
        assert [line["state"] for line in told if line["type"] == "end"] == ["decorated", "inner", "outer"]
        assert spans["work"]["labels"] == {"kind": "x", "rank": 3, "monitor.trace_segment": "duration"}
        assert spans["agent_session"]["lane"] == "experiment=e/sample=1/session=2/traj=0"
        assert spans["agent_session"]["labels"]["global_steps"] == 7
        assert [line["labels"]["leaf"] for line in told if line.get("name") == "agent_loop_traj_info"] == [
            "sample=1/session=2/traj=2"
        ]
        (wait,) = (line for line in told if line.get("name") == "wait")
        assert (wait["type"], wait["labels"], wait["value"]) == ("histogram", {"buckets": "a label here"}, 0.5)
        assert [line["value"] for line in told if line["type"] == "fact"] == ["http://127.0.0.1:8000"]


def test_install_puts_it_in_place_for_this_process_and_its_children() -> None:
    told = python_api.run(
        "import os, subprocess, sys, rli_agent.compat\n"
        "rli_agent.compat.install(); rli_agent.compat.install()\n"
        "import rl_insight\n"
        "say = 'import rl_insight; print(rl_insight.__file__)'\n"
        "print(rl_insight.__file__, subprocess.check_output([sys.executable, '-c', say], text=True))"
    )
    one, child = told.split()
    assert one == child
    assert one.endswith("compat/rl_insight/__init__.py")


def test_another_rl_insight_that_is_in_use_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "rl_insight.py").write_text("")
    told = python_api.run(
        "import rl_insight, rli_agent.compat\n"
        "try: rli_agent.compat.install()\n"
        "except ImportError as e: print(e)",
        PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    )  # fmt: skip
    assert "imported before" in told


def test_a_command_that_is_not_there_is_said_in_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rli_agent.compat", "no-such-program"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (127, 1)
    assert "no-such-program cannot be started" in done.stderr


@pytest.mark.real
def test_the_signatures_are_those_of_the_package_on_pypi() -> None:
    """Where RL_INSIGHT_PYTHON names an interpreter that has rl-insight 0.3.0."""
    interpreter = os.environ.get("RL_INSIGHT_PYTHON")
    if interpreter is None:
        pytest.skip("RL_INSIGHT_PYTHON names no interpreter with rl-insight==0.3.0")
    code = f"""import inspect, json, rl_insight
{inspect.getsource(signature)}
names = [name for name in rl_insight.__all__ if name != "__version__"]
print(json.dumps({{name: signature(getattr(rl_insight, name)) for name in names}}))"""
    told = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert json.loads(told.splitlines()[-1]) == SIGNATURES
