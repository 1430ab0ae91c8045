"""All runs at once: the one that needs somebody stands first."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from agent_process import Agent, until
from growing_run import write, write_run
from real_prometheus import prometheus_of
from receivers import HttpReceiver

from rli_agent.cli import main
from rli_agent.fleet.run import FleetRun, headline, idle_gpu_hours, in_order

NOW = 1_800_000_000.0
HYDRA = "outputs/2026-01-14/09-30-05/.hydra/config.yaml"
STEP = "(TaskRunner pid=1) step:{0} - actor/pg_loss:0.5 - critic/score/mean:0.25 - training/global_step:{0}\n"
OOM = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\ntorch.OutOfMemoryError: CUDA out of memory.\n'


def run(name: str, **more: object) -> FleetRun:
    known = {"health": "Healthy", "life": "running", "why": "well", "heard_at": NOW - 5}
    return FleetRun(name, **{**known, **more})  # type: ignore[arg-type]


def names(runs: list[FleetRun]) -> list[str]:
    return [one.run for one in runs]


def test_what_is_down_and_wastes_most_stands_first() -> None:
    runs = [
        run("fine"), run("done", life="finished"), run("late", health="Degraded", idle_gpu_hours=9.0),
        run("small", health="Down", life="stalled", idle_gpu_hours=1.0),
        run("large", health="Down", life="stalled", idle_gpu_hours=64.0), run("lost", health="Unknown"),
    ]  # fmt: skip
    assert names(in_order(runs, NOW)) == ["large", "small", "late", "lost", "fine", "done"]
    assert headline(in_order(runs, NOW)) == "large: Down: well (3 more need a look)"


def test_runs_of_the_day_before_yesterday_are_left_out_unless_asked_for() -> None:
    runs = [run("old", health="Down", heard_at=NOW - 200_000), run("new")]
    assert names(in_order(runs, NOW)) == ["new"]
    assert names(in_order(runs, NOW, everything=True)) == ["old", "new"]
    assert headline(in_order(runs, NOW)) == "all is well: 1 going on"
    assert headline([]) == "no runs found"


def test_gpu_hours_count_from_the_last_step_while_the_run_holds_its_gpus() -> None:
    assert idle_gpu_hours("stalled", 16, NOW - 1800, NOW) == 8.0
    assert idle_gpu_hours("failed", 16, NOW - 1800, NOW) is None
    assert idle_gpu_hours("running", None, NOW - 1800, NOW) is None
    assert idle_gpu_hours("running", 8, NOW + 60, NOW) == 0.0


def watched_once(root: Path, state: Path) -> None:
    assert main(["watch", str(root), "--once", "--plain", "--listen", "none", "--state-dir", str(state)]) == 0


def fleet(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, object]]]:
    capsys.readouterr()
    status = main(["fleet", "--json", *map(str, arguments)])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_stores_of_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    write_run(tmp_path / "going", 4)
    write(tmp_path / "broken", HYDRA, "trainer: {n_gpus_per_node: 8, nnodes: 2, total_training_steps: 9}\n")
    write(tmp_path / "broken", "train.log", STEP.format(1) + STEP.format(2) + OOM)
    for name in ("going", "broken"):
        watched_once(tmp_path / name, state)
    status, runs = fleet(capsys, "--state-dir", state)
    assert status == 1
    assert [one["root"] for one in runs] == [str(tmp_path / "broken"), str(tmp_path / "going")]
    assert (runs[0]["health"], runs[0]["step"], runs[0]["max_steps"], runs[0]["gpus"]) == ("Degraded", 2, 9, 16)
    assert "cuda_oom" in str(runs[0]["why"])
    assert (runs[1]["health"], runs[1]["watched"], runs[1]["step"]) == ("Unknown", False, 4)
    assert main(["fleet", "--state-dir", str(state)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{runs[0]['run']}: Degraded: nobody watches it: cuda_oom: ")
    assert len(told) == 4


def test_no_store_and_a_broken_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no runs found\n"
    write(tmp_path, "runs/x/run.sqlite", "no data base, and \x1b[31mred")
    status, runs = fleet(capsys, "--state-dir", tmp_path)
    assert (status, runs[0]["run"], runs[0]["health"]) == (2, "x", "Unknown")


def test_a_store_in_which_nothing_was_read_needs_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong").mkdir()
    watched_once(tmp_path / "wrong", tmp_path / "state")
    capsys.readouterr()
    assert main(["fleet", "--state-dir", str(tmp_path / "state")]) == 0
    assert capsys.readouterr().out == "no runs found\n"
    assert main(["fleet", "--all", "--state-dir", str(tmp_path / "state")]) == 2
    assert capsys.readouterr().out.startswith("wrong-")


def test_who_answers_no_query_is_named(capsys: pytest.CaptureFixture[str], receiver: HttpReceiver) -> None:
    assert main(["fleet", "--prometheus", "http://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.startswith("error: nobody answers at http://127.0.0.1:1\n")
    assert main(["fleet", "--prometheus", receiver.url]) == 2
    assert "gives no answer that a Prometheus would give" in capsys.readouterr().err


@pytest.mark.real
def test_many_agents_through_one_prometheus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "going", 3)
    write(tmp_path / "broken", HYDRA, "trainer: {n_gpus_per_node: 8, nnodes: 2, total_training_steps: 9}\n")
    write(tmp_path / "broken", "train.log", STEP.format(1))
    folders = {name: tmp_path / f"{name}-state" for name in ("going", "broken")}
    started = []
    for name, folder in folders.items():
        folder.mkdir()
        extra = ["--nodes", "a,b", "--node", "a", "--files", "own"] if name == "going" else []
        started.append(Agent(folder, tmp_path / name, "--run-id", name, "--listen", "127.0.0.1:0", *extra))
    try:
        write(tmp_path / "broken", "train.log", STEP.format(2) + OOM)
        ports = [int(agent.url.rsplit(":", 1)[1].split("/")[0]) for agent in started]
        with prometheus_of(tmp_path, *ports) as prometheus:
            address = f"http://127.0.0.1:{prometheus.port}"
            seen: list[dict[str, object]] = []

            def told() -> bool:
                seen[:] = fleet(capsys, "--prometheus", address)[1]
                return len(seen) == 2 and seen[0].get("step") == 2 and seen[1].get("step") == 3

            until(told, f"both runs with their steps, not {seen}")
            broken, going = seen
            assert (broken["run"], broken["gpus"], broken["max_steps"]) == ("broken", 16, 9)
            assert broken["health"] in ("Down", "Degraded")
            assert "cuda_oom" in str(broken["why"])
            assert (going["run"], going["hosts"], going["life"]) == ("going", ["a"], "running")
            assert float(str(going["heard_at"])) > time.time() - 60
    finally:
        for agent in started:
            agent.kill()
