"""The container file: what it copies is enough to install the agent, and the agent does not run as root."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rli_agent.commands.watch import command as watch
from rli_agent.settings.declared import settings_of

ROOT = Path(__file__).parents[1]
LINES = re.sub(r"\\\n\s*", "", (ROOT / "samples/container/Containerfile").read_text()).splitlines()
STEPS = [tuple(line.split(maxsplit=1)) for line in LINES if line and not line.startswith("#")]


def of(word: str) -> list[str]:
    return [rest for first, rest in STEPS if first == word]


def copied() -> list[str]:
    return [name for rest in of("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]


def test_it_runs_as_somebody_without_rights() -> None:
    (user,) = of("USER")
    assert user == "10001:10001"
    assert [first for first, _ in STEPS].index("USER") > [first for first, _ in STEPS].index("RUN")
    assert "--read-only" in "\n".join(LINES)


def test_its_settings_are_settings() -> None:
    known = {setting.variable for setting in settings_of(watch.params)}
    told = {pair.partition("=")[0] for rest in of("ENV") for pair in rest.split()}
    assert {name for name in told if name.startswith("RLI_AGENT_")} <= known


def test_its_python_is_one_that_the_agent_takes() -> None:
    wanted = re.search(r'^requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wanted is not None
    lowest = (int(wanted[1]), int(wanted[2]))
    built, run = (re.search(r"python:(\d+)\.(\d+)-(?:slim-)?(\w+)", image) for image in of("FROM"))
    assert built is not None
    assert run is not None
    assert built.groups() == run.groups()  # what was compiled fits
    assert (int(run[1]), int(run[2])) >= lowest


def test_its_command_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    from rli_agent.cli import main

    assert of("ENTRYPOINT") == ['["rli-agent"]']
    (command,) = of("CMD")
    assert main([json.loads(command)[0], "--help"]) == 0
    assert "OUTPUT_DIR" in capsys.readouterr().out


@pytest.mark.real
def test_what_is_copied_is_enough_to_install_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied():
        place = ROOT / name
        assert place.exists(), name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(place, source / name, ignore=ignored) if place.is_dir() else shutil.copy(place, source)
    target = tmp_path / "installed"
    line = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        ".",
    ]
    subprocess.run(line, cwd=source, check=True, timeout=200, stdin=subprocess.DEVNULL)
    said = subprocess.run(
        [sys.executable, "-m", "rli_agent", "rules", "list"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(target)}, timeout=60, check=True,
    )  # fmt: skip
    assert "prime-rl" in said.stdout
