"""The stack with a real Prometheus: started, asked, watched over, stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rli_agent.server.install.carry_out import MARK

from .conftest import Stack, until

pytestmark = pytest.mark.real


def test_from_nothing_to_ready_in_three_seconds(stack: Stack) -> None:
    began = time.monotonic()
    said = stack.start()
    took = time.monotonic() - began
    assert re.search(r"prometheus \S+ is ready after \d\.\d s: http://127\.0\.0\.1:\d+", said.out)
    assert stack.get("/api/v1/status/buildinfo")["status"] == "success"
    assert took <= 3.0, said.out


def test_status_tells_the_truth_in_each_state(stack: Stack) -> None:
    code, report = stack.status()
    assert (code, report["state"], report["programs"]) == (3, "stopped", [])

    stack.start()
    code, report = stack.status()
    (it,) = report["programs"]
    assert (code, report["state"], it["state"], it["ready"]) == (0, "ready", "ready", True)
    assert it["port"] == stack.ports["prometheus"]
    assert Path(f"/proc/{it['pid']}/exe").resolve().name == "prometheus"
    assert it["retention"] == "30d"
    assert it["data_bytes"] > 0
    until(lambda: stack.status()[1]["targets"])

    os.kill(it["pid"], signal.SIGSTOP)
    code, report = stack.status()
    assert (code, report["state"], report["programs"][0]["state"]) == (1, "degraded", "unready")
    os.kill(it["pid"], signal.SIGCONT)
    assert stack.status()[0] == 0

    assert stack("stop").code == 0
    code, report = stack.status()
    assert (code, report["state"], report["programs"][0]["state"], report["programs"][0]["pid"]) == (
        3, "stopped", "stopped", None,
    )  # fmt: skip
    assert report["programs"][0]["data_bytes"] > 0


def test_a_killed_program_is_started_again(stack: Stack) -> None:
    stack.start()
    first = stack.program()["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: stack.program()["restarts"] == 1)
    again = until(lambda: stack.program() if stack.program()["ready"] else None)
    assert again["pid"] not in (first, None)
    assert again["restarts"] == 1
    assert "prometheus was ended by signal 9; is started again in" in stack("logs", "supervisor").out


def test_between_its_end_and_its_next_start_it_is_waiting(stack: Stack) -> None:
    stack.start()
    os.kill(stack.program()["pid"], signal.SIGKILL)
    until(lambda: stack.program()["state"] == "waiting")
    code, report = stack.status()
    assert (code, report["state"]) == (1, "degraded")


def test_stop_ends_every_process_and_keeps_the_data(stack: Stack) -> None:
    stack.start()
    assert len(stack.pids()) == 2  # the supervisor and Prometheus
    said = stack("stop")
    assert (said.code, said.out) == (0, "prometheus has ended\n")
    assert stack.pids() == []
    stack.start()
    assert "See you next time!" in (stack.root / "server" / "logs" / "prometheus.log").read_text()
    assert "Completed loading of configuration file" in stack("logs", "prometheus").out


def test_starting_twice_is_no_error_and_starts_nothing(stack: Stack) -> None:
    stack.start()
    before = stack.pids()
    said = stack.start()
    assert "the stack runs already" in said.out
    assert stack.pids() == before


def test_restart_starts_as_before(stack: Stack) -> None:
    stack.start()
    before = stack.program()["pid"]
    said = stack("restart")
    assert said.code == 0, said.all
    (it,) = stack.status()[1]["programs"]
    assert it["ready"]
    assert it["pid"] != before


def test_a_taken_port_is_named_and_another_one_may_be_taken(stack: Stack, tmp_path: Path) -> None:
    stack.start()
    other = Stack(tmp_path / "other")
    other.ports = stack.ports
    other.configure()
    said = other("start", "--detach", "--only", "prometheus")
    assert said.code == 2
    taken = f"at 127.0.0.1:{stack.ports['prometheus']}: the port is taken by process {stack.program()['pid']} ("
    assert taken in said.err
    assert other.status()[0] == 3
    try:
        said = other.start("--only", "prometheus", "--ports", "auto")
        assert f"port {stack.ports['prometheus']} is taken" in said.out
        port = other.program()["port"]
        assert port != stack.ports["prometheus"]
        assert f"http://127.0.0.1:{port}" in said.out
    finally:
        other("stop")


def test_in_the_foreground_it_ends_with_ctrl_c(stack: Stack) -> None:
    command = [sys.executable, "-m", "rli_agent", "server", "start", "--only", "prometheus", "--root", str(stack.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=stack.environment) as process:
        assert process.stdout is not None
        assert "is ready after" in process.stdout.readline()
        assert stack.status()[0] == 0
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0
    assert stack.pids() == []


def test_a_supervisor_that_was_killed_is_told_and_mended_by_the_next_start(stack: Stack) -> None:
    stack.start()
    code, report = stack.status()
    os.kill(report["supervisor_pid"], signal.SIGKILL)
    until(lambda: stack.status()[1]["supervisor_pid"] is None)
    code, report = stack.status()
    assert (code, report["state"]) == (1, "degraded")
    assert "nobody watches over them" in report["answer"]
    left = report["programs"][0]["pid"]
    said = stack.start()
    assert f"prometheus (process {left}) was left by a supervisor that is gone; it is ended first" in said.out
    assert stack.program()["pid"] != left
    assert stack.status()[0] == 0


def test_stop_ends_what_a_killed_supervisor_left(stack: Stack) -> None:
    stack.start()
    os.kill(stack.status()[1]["supervisor_pid"], signal.SIGKILL)
    until(lambda: stack.status()[1]["supervisor_pid"] is None)
    said = stack("stop")
    assert said.code == 0
    assert stack.pids() == []


def test_what_the_environment_says_to_others_does_not_reach_the_programs(stack: Stack) -> None:
    stack.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
    stack.start()
    seen = Path(f"/proc/{stack.program()['pid']}/environ").read_bytes()
    assert b"OTEL_" not in seen
    assert b"no_proxy=127.0.0.1,localhost" in seen


def test_opened_to_others_it_warns(stack: Stack) -> None:
    said = stack.start("--only", "prometheus", "--bind", "0.0.0.0")
    assert "warning: whoever reaches 0.0.0.0 can read and change the data of prometheus, which ask for no" in said.out
    assert stack.program()["url"] == f"http://127.0.0.1:{stack.ports['prometheus']}"


def test_uninstall_refuses_while_it_runs_and_keeps_the_data_unless_told(stack: Stack) -> None:
    stack.start()
    installed = stack.root / "services" / "tempo" / "2.6.1"
    installed.mkdir(parents=True)
    (installed / MARK).touch()
    of_another = stack.root / "services" / "tempo" / "2.5.0"
    of_another.mkdir()
    said = stack("uninstall", "--yes")
    assert said.code == 2
    assert "the stack runs" in said.err
    stack("stop")
    assert stack("uninstall", "--yes").code == 0
    assert not installed.exists()
    assert of_another.is_dir()
    assert (stack.root / "server" / "data" / "prometheus" / "wal").is_dir()
    assert stack("uninstall", "--yes", "--data").code == 0
    assert not (stack.root / "server").exists()
    assert (stack.root / "server.yaml").exists()
