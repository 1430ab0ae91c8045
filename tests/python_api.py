"""A program that calls `rli_agent.api`, and what it has written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rli_agent.events import Event, Source
from rli_agent.parsers.api_events import ApiEventsParser
from rli_agent.parsers.compiled import RuleSet

SOURCE = Source("events.jsonl", "metrics", "trainer", "events")


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "RLI_AGENT_EVENTS"} | more


def program(text: str, *arguments: object, **more: str) -> subprocess.Popen[str]:
    """Python code in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more),
    )  # fmt: skip


def run(text: str, *arguments: object, **more: str) -> str:
    """The same, to its end: what it printed."""
    process = program(text, *arguments, **more)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out + err


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(".rli-agent/events-*.jsonl"))


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole."""
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def parsed(data: bytes, parser: ApiEventsParser | None = None) -> list[Event]:
    parser = parser or ApiEventsParser(SOURCE, RuleSet([], SOURCE))
    return parser.feed(data, 0, 1)
