"""Settings: which of several places says one, and what is said of mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from rli_agent.cli import group, main
from rli_agent.commands.watch import command as watch
from rli_agent.settings.command import Configured
from rli_agent.settings.declared import OF_A_RUN, settings_of

Show = Callable[..., dict[str, tuple[object, str]]]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("RLI_AGENT_", "RL_INSIGHT_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    def ask(*arguments: str | Path) -> dict[str, tuple[object, str]]:
        assert main(["config", "show", "--json", *map(str, arguments)]) == 0
        return {k: (v["value"], v["from"]) for k, v in json.loads(capsys.readouterr().out).items()}

    return ask


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "config" / "rli-agent" / "config.yaml"


def test_a_flag_goes_before_the_environment_before_files_before_the_default(
    show: Show, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert show(run)["project"] == (None, "default")
    write(mine, "listen: none\nproject: mine\n")
    assert show(run)["project"] == ("mine", f"{mine}:2")
    its = write(run / ".rli-agent" / "config.yaml", "# a run's\nproject: its\n")
    assert show(run)["project"] == ("its", f"{its}:2")
    assert show(run)["listen"] == ("none", f"{mine}:1")
    named = write(tmp_path / "named.yaml", "project: named\n")
    assert show(run, "--config", named)["project"] == ("named", f"{named}:1")
    assert show(run, "--config", named)["listen"] == (None, "default")
    monkeypatch.setenv("RLI_AGENT_CONFIG", str(named))
    assert show(run)["project"] == ("named", f"{named}:1")
    monkeypatch.setenv("RLI_AGENT_PROJECT", "env")
    assert show(run)["project"] == ("env", "RLI_AGENT_PROJECT")
    assert show(run, "--project", "flag")["project"] == ("flag", "--project")


def test_every_option_of_watch_is_a_setting(show: Show) -> None:
    options = {o[2:].replace("-", "_") for p in watch.params for o in p.opts if o.startswith("--")}
    assert options - {"config"} <= show().keys()


def test_lists_and_flags_come_from_everywhere(
    show: Show, tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = write(tmp_path / "a.yaml", ""), write(tmp_path / "b.yaml", "")
    monkeypatch.setenv("RLI_AGENT_RULES", f"{a}{os.pathsep}{b}")
    monkeypatch.setenv("RLI_AGENT_ONCE", "1")
    assert show()["rules"] == ([str(a), str(b)], "RLI_AGENT_RULES")
    assert show()["once"] == (True, "RLI_AGENT_ONCE")
    monkeypatch.delenv("RLI_AGENT_RULES")
    monkeypatch.delenv("RLI_AGENT_ONCE")
    write(mine.parent / "a.yaml", "")
    write(mine, f"rules: [a.yaml, {b}]\nonce: true\n")
    assert show()["rules"] == ([str(mine.parent / "a.yaml"), str(b)], f"{mine}:1")
    assert show()["once"] == (True, f"{mine}:2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: none\nlissten: none\n", ":2:1: unknown key `lissten`; did you mean `listen`?"),
        ("span-layout: flat\n", ":1:1: unknown key `span-layout`; did you mean `span_layout`?"),
        ("\nonce: maybe\n", ":2:7: Expected `bool`, got `str`"),
        ("listen: [a]\n", ":1:9: Expected `str`, got `array`"),
        ("from: middle\n", ":1:7: `from`: 'middle' is not one of 'start', 'end', 'checkpoint'."),
        ("rules: gone.yaml\n", ":1:8: `rules`: Path "),
        ("listen: 'none\n", ":2:1: "),
        ("- listen\n", ":1:1: not a mapping"),
        ("a: &a [*a]\n", ":1:1: unknown key `a`"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(
    capsys: pytest.CaptureFixture[str], mine: Path, text: str, said: str
) -> None:
    write(mine, text)
    for command in ("config", "watch"):
        assert main(["config", "show"] if command == "config" else ["watch", "--once", str(mine.parent)]) == 2
        assert f"error: {mine}{said}" in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00" * 100, b"#" + b"x" * (2 << 20), b"[" * 5000])
def test_junk_is_told_too(capsys: pytest.CaptureFixture[str], mine: Path, data: bytes) -> None:
    write(mine, "").write_bytes(data)
    assert main(["config", "show"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert str(mine) in said


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n"])
def test_a_file_without_settings_sets_none(show: Show, mine: Path, text: str) -> None:
    write(mine, text)
    assert {origin for _, origin in show().values()} == {"default"}


def test_a_named_file_must_be_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "show", "--config", str(tmp_path / "gone.yaml")]) == 2
    assert "gone.yaml cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("key", sorted({s.key for s in settings_of(watch.params)} - OF_A_RUN))
def test_a_runs_own_file_says_only_how_to_read_it(capsys: pytest.CaptureFixture[str], tmp_path: Path, key: str) -> None:
    option = {s.key: s for s in settings_of(watch.params)}[key].option
    value = "true" if option.is_flag else "1" if option.type.name.startswith(("int", "float")) else "/etc/passwd"
    file = write(tmp_path / "run" / ".rli-agent" / "config.yaml", f"{key}: {value}\n")
    assert main(["watch", "--once", str(tmp_path / "run")]) == 2
    assert f"error: {file}:1:{len(key) + 3}: `{key}` cannot be set by a file in the run's" in capsys.readouterr().err


def test_a_wrong_value_in_the_environment_is_told_by_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RLI_AGENT_SPAN_LAYOUT", "round")
    monkeypatch.setenv("RLI_AGENT_LISEN", "none")
    assert main(["watch", "--once", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "RLI_AGENT_SPAN_LAYOUT in the environment: 'round' is not one of" in said
    assert "RLI_AGENT_LISEN in the environment is not a setting; did you mean RLI_AGENT_LISTEN?" in said


def test_help_is_given_also_where_a_file_is_broken(mine: Path) -> None:
    write(mine, "nonsense: 1\n")
    assert main(["watch", "--help"]) == 0


def test_other_commands_take_the_settings_that_they_have_options_for(
    capsys: pytest.CaptureFixture[str], mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "run" / "train.log", "2026-08-25 06:30:00,000 ERROR the disk of the moon is full\n")
    write(mine, "listen: none\nzone: Asia/Tokyo\n")
    for variable, time in (("", 1787607000.0), ("UTC", 1787639400.0)):
        monkeypatch.setenv("RLI_AGENT_ZONE", variable)
        assert main(["parse", str(log)]) == 0
        (said,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "moon" in line]
        assert said["time"] == time


def commands(group: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for word in group.list_commands(context):
            command = group.get_command(context, word)
            assert command is not None
            yield from commands(command, f"{name} {word}".strip())
    else:
        yield name, group


def test_every_command_with_an_option_that_is_a_setting_takes_it() -> None:
    known = {(s.key, s.option.name) for s in settings_of(watch.params)}
    for name, command in commands(group):
        shared = known & {(s.key, s.option.name) for s in settings_of(command.params)}
        passed_on = name == "demo"  # to the watch that it starts, which looks them up
        assert isinstance(command, Configured) or not shared or passed_on, (name, shared)


def test_an_option_of_the_same_name_that_means_something_else_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLI_AGENT_FROM", "end")  # of `watch`
    assert main(["rules", "new"]) == 2
    assert "Missing option '--from'" in capsys.readouterr().err


def test_rl_insights_variables_are_honoured(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RL_INSIGHT_SERVICE_IP", "10.0.0.8")
    assert show()["otlp_endpoint"] == ("http://10.0.0.8:4318", "RL_INSIGHT_SERVICE_IP")
    assert show()["span_layout"] == ("flat", "RL_INSIGHT_SERVICE_IP")
    monkeypatch.setenv("RL_INSIGHT_OTEL_PORT", "14318")
    monkeypatch.setenv("RL_INSIGHT_PROMETHEUS_PORT", "9090")
    said = show()
    assert said["otlp_endpoint"] == ("http://10.0.0.8:14318", "RL_INSIGHT_SERVICE_IP, RL_INSIGHT_OTEL_PORT")
    assert said["RL_INSIGHT_PROMETHEUS_PORT"][1].startswith("not used: ")
    monkeypatch.setenv("RL_INSIGHT_SERVER_URL", "http://10.0.0.9:18080")
    said = show()
    assert said["otlp_endpoint"] == ("http://10.0.0.9:18080", "RL_INSIGHT_SERVER_URL")
    assert said["span_layout"] == ("auto", "default")
    assert said["RL_INSIGHT_SERVICE_IP"][1].startswith("not used: ")
    assert show("--otlp-endpoint", "http://[::1]:1")["otlp_endpoint"] == ("http://[::1]:1", "--otlp-endpoint")


def test_secrets_are_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mine: Path
) -> None:
    monkeypatch.setenv("RLI_AGENT_WEBHOOK", "https://hooks.slack.com/services/hush")
    monkeypatch.setenv("RLI_AGENT_OTLP_HEADERS", "authorization=Bearer%20hush")
    write(mine, "otlp_endpoint: http://me:hush@host:4318\n")
    for form in ([], ["--json"]):
        assert main(["config", "show", *form]) == 0
        printed = capsys.readouterr().out
        assert "hush" not in printed
        assert printed.count("set, not shown") == 2


@pytest.mark.real
def test_watch_uses_what_config_show_says(tmp_path: Path, mine: Path) -> None:
    write(mine, f"state_dir: {tmp_path}/state\n")
    run = tmp_path / "run"
    write(run / ".rli-agent" / "config.yaml", "project: maths\nframework: trl\n")
    write(run / "train.log", "{'loss': 0.5, 'reward': 0.25, 'epoch': 0.1}\n")
    command = [sys.executable, "-m", "rli_agent", "watch", "--once", str(run)]
    environment = {**os.environ, "RLI_AGENT_LISTEN": "none"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "metrics: http" not in done.stdout
    assert f"store: {tmp_path}/state" in done.stdout
    assert "trl" in done.stdout
