"""The skill for coding agents names only commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from rli_agent.cli import group

SKILL = Path(__file__).parents[1] / "samples/skills/monitor-run/SKILL.md"
TEXT = SKILL.read_text()
COMMANDS = sorted({line.strip("`") for line in re.findall(r"^rli-agent .+$|`rli-agent [^`]+`", TEXT, re.M)})


def test_it_begins_as_skills_do() -> None:
    head = yaml.safe_load(TEXT.split("---")[1])
    assert head["name"] == SKILL.parent.name
    assert 50 < len(head["description"]) < 1024


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_line_is_one(line: str) -> None:
    words = shlex.split(line.split("|")[0])[1:]
    context = click.Context(group)
    command = group.get_command(context, words[0])
    assert command is not None, line
    told = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= told
