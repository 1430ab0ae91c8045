"""What is said when the stack cannot start, and that nobody else is harmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rli_agent.server.supervise.state import read_state

from .conftest import Stack, until

real = pytest.mark.real


def refused(stack: Stack, *arguments: object) -> str:
    """A start that must not happen; what was said."""
    said = stack("start", "--detach", *arguments)
    assert said.code == 2, said.all
    assert stack.pids() == []
    return said.err


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def pretend(stack: Stack, text: str) -> None:
    """A Prometheus that says its version, and then does this."""
    says = 'if [ "$1" = --version ]; then echo "prometheus, version 2.54.1 (x)"; exit; fi'
    binary = script(stack.root / "prometheus", f"{says}\n{text}")
    stack.configure()
    config = stack.root / "server.yaml"
    config.write_text(config.read_text().replace("prometheus: {", f"prometheus: {{binary: {binary}, "))


def test_a_binary_that_is_not_there(stack: Stack) -> None:
    config = stack.root / "server.yaml"
    config.write_text("prometheus: {binary: /nowhere/prometheus}\n")
    said = refused(stack, "--only", "prometheus")
    assert "Prometheus cannot be started: no Prometheus 2.30.0 or later is installed (/nowhere/prom" in said
    assert "/nowhere/prometheus does not exist" in said


def test_a_binary_that_is_too_old(stack: Stack) -> None:
    pretend(stack, "")
    old = stack.root / "prometheus"
    old.write_text(old.read_text().replace("2.54.1", "2.29.9"))
    assert f"{old} is 2.29.9, older than 2.30.0" in refused(stack, "--only", "prometheus")


def test_nothing_is_installed_at_all(stack: Stack) -> None:
    config = stack.root / "server.yaml"
    config.write_text("prometheus: {enabled: false}\ntempo: {enabled: false}\ngrafana: {enabled: false}\n")
    assert "there is nothing to start: prometheus: the settings say `enabled: false`" in refused(stack)


@pytest.mark.real
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("prometheus: {prot: 9090}\n", "server.yaml:1:14: unknown key `prot`; did you mean `port`?"),
        ("prometheus: {port: ninety}\n", "server.yaml:1:20: Expected `int`, got `str`"),
        ("bind: [\n", "server.yaml:2:1: "),
        ("prometheus: {retention: for ever}\n", "server.yaml:1:25: 'for ever' is not a duration"),
        ("prometheus: {port: 70000}\n", "server.yaml:1:20: "),
        ("grafana: {port: 9090}\n", "server.yaml:1:17: port 9090 is that of prometheus.port too"),
        ("- a list\n", "server.yaml:1:1: not a mapping"),
        ("bind: \x00\n", "server.yaml:"),
    ],
)
def test_settings_that_are_wrong_are_told_with_their_place(stack: Stack, text: str, what: str) -> None:
    (stack.root / "server.yaml").write_text(text)
    assert what in refused(stack)


def test_settings_that_are_not_there(stack: Stack) -> None:
    assert "/nowhere.yaml: no such file" in refused(stack, "--config", "/nowhere.yaml")


@real
def test_more_configuration_that_prometheus_refuses(stack: Stack) -> None:
    stack.configure("")
    config = stack.root / "server.yaml"
    config.write_text("prometheus: {extra: {scrape_configs: [{job_nam: mine}]}}\n")
    said = refused(stack, "--only", "prometheus")
    assert "refuses its configuration" in said
    assert "field job_nam not found" in said


@real
def test_more_configuration_is_merged_over_ours(stack: Stack) -> None:
    config = stack.root / "server.yaml"
    extra = "extra: {global: {external_labels: {site: moon}}, scrape_configs: [{job_name: mine}]}"
    config.write_text(config.read_text().replace("prometheus: {", f"prometheus: {{{extra}, "))
    stack.start()
    live = stack.get("/api/v1/status/config")["data"]["yaml"]
    assert all(text in live for text in ("site: moon", "job_name: mine", "job_name: rli-agent", "scrape_interval: 1s"))


def test_a_program_that_ends_at_once_is_told_with_its_last_lines(stack: Stack) -> None:
    pretend(stack, "echo 'the moon is full'; exit 3")
    said = stack("start", "--detach", "--only", "prometheus")
    assert said.code == 1
    assert "prometheus 2.54.1 is NOT ready: ended with status 3 after 0." in said.out
    assert "    the moon is full" in said.out
    assert "nothing runs" in said.out
    assert stack.pids() == []
    assert stack.status()[0] == 3


def test_what_a_program_prints_cannot_command_the_terminal(stack: Stack) -> None:
    pretend(stack, r"printf '\033[2Jgone\n'; exit 3")
    said = stack("start", "--detach", "--only", "prometheus")
    assert "\x1b" not in said.all
    assert "[2Jgone" in said.out


@real
def test_one_that_fails_leaves_the_others_running(stack: Stack) -> None:
    tempo = script(
        stack.root / "tempo",
        'case "$1" in --version) echo "tempo, version 2.6.1 (x)"; exit;; esac\n[ "$2" ] && exit 0\necho broken; exit 1',
    )
    config = stack.root / "server.yaml"
    config.write_text(config.read_text().replace("tempo: {", f"tempo: {{binary: {tempo}, "))
    said = stack("start", "--detach", "--only", "prometheus", "--only", "tempo")
    assert said.code == 1
    assert "NOT all are ready" in said.out
    code, report = stack.status()
    assert code == 1
    assert {p["name"]: p["state"] for p in report["programs"]} == {"prometheus": "ready", "tempo": "failed"}


def test_a_pid_that_became_another_process_is_not_signalled(stack: Stack) -> None:
    pretend(stack, "exit 3")
    stack("start", "--detach", "--only", "prometheus")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        file = stack.root / "server" / "state.json"
        state = json.loads(file.read_text())
        state["supervisor"]["pid"] = stranger.pid
        state["services"]["prometheus"]["process"] = {**state["supervisor"], "pid": stranger.pid}
        state["services"]["prometheus"]["phase"] = "ready"
        file.write_text(json.dumps(state))
        assert read_state(file) is not None
        assert stack.status()[1]["state"] == "stopped"
        said = stack("stop")
        assert (said.code, said.out) == (0, f"nothing runs in {stack.root}\n")
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


@pytest.mark.real
@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff", '{"supervisor": 1}'])
def test_a_state_file_that_is_broken_counts_as_none(stack: Stack, text: str) -> None:
    (stack.root / "server").mkdir()
    (stack.root / "server" / "state.json").write_text(text)
    assert stack.status()[0] == 3
    assert stack("stop").code == 0


@real
def test_two_stacks_never_share_data(stack: Stack, tmp_path: Path) -> None:
    """Debian's Prometheus takes no lock of its own."""
    stack.configure(f"data_dir: {tmp_path / 'shared'}\n")
    stack.start()
    other = Stack(tmp_path / "other")
    other.configure(f"data_dir: {tmp_path / 'shared'}\n")
    assert f"the data in {tmp_path / 'shared' / 'prometheus'} is in use by another stack" in refused(
        other, "--only", "prometheus"
    )


@real
def test_data_that_a_program_of_somebody_else_has_open_is_left_alone(stack: Stack, tmp_path: Path) -> None:
    data = tmp_path / "shared" / "prometheus"
    data.mkdir(parents=True)
    stack.configure(f"data_dir: {data.parent}\n")
    (tmp_path / "empty.yml").write_text("{}\n")
    line = ["--config.file", tmp_path / "empty.yml", "--storage.tsdb.path", data, "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(["prometheus", *map(str, line)], stderr=subprocess.DEVNULL) as foreign:
        until(lambda: (data / "wal" / "00000000").exists())
        said = stack("start", "--detach", "--only", "prometheus")
        assert said.code == 2
        assert f"is in use by process {foreign.pid} (prometheus" in said.err
        foreign.terminate()


def test_data_of_a_newer_major_is_not_opened_by_an_older_one(stack: Stack) -> None:
    pretend(stack, "exit 3")
    data = stack.root / "server" / "data" / "prometheus"
    data.mkdir(parents=True)
    (data / ".rli-agent.version").write_text("3.5.5\n")
    said = refused(stack, "--only", "prometheus")
    assert f"the data in {data} was written by prometheus 3.5.5, which 2.54.1 (" in said
    (data / ".rli-agent.version").write_text("2.42.0\n")
    assert stack("start", "--detach", "--only", "prometheus").code == 1  # it was tried
    assert (data / ".rli-agent.version").read_text() == "2.54.1\n"


def test_a_root_that_cannot_be_written(stack: Stack) -> None:
    stack.root = Path("/proc/none")
    said = stack("start", "--detach")
    assert said.code == 2
    assert "the directory /proc/none/server cannot be written" in said.err


def test_an_address_that_this_machine_does_not_have(stack: Stack) -> None:
    pretend(stack, "exit 3")
    said = refused(stack, "--only", "prometheus", "--bind", "192.0.2.1")
    assert "Cannot assign requested address" in said


def test_logs_of_what_was_never_started(stack: Stack) -> None:
    said = stack("logs", "grafana")
    assert said.code == 2
    assert "grafana was not started yet" in said.err


def test_the_doctor_names_what_keeps_it_from_working_and_the_mend(stack: Stack) -> None:
    pretend(stack, "")
    said = stack("doctor")
    assert f"ok   prometheus 2.54.1: {stack.root / 'prometheus'}" in said.out
    (stack.root / "prometheus").unlink()
    said = stack("doctor")
    assert said.code == 1
    assert f"warn prometheus: not used: {stack.root / 'prometheus'} does not exist" in said.out
    assert "bad  prometheus: none is installed" in said.out
    assert os.linesep + "     rli-agent server install --only prometheus" in said.out
