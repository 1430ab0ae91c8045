"""What discovery gives: a run, and the files of it that are to be read."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from rli_agent.discover.configs import ConfigFact
from rli_agent.events import Source


class Run(Struct, frozen=True):
    """A run. root: the first path given, or its directory. confidence: in the framework, 0 to 1; why: a sentence."""

    root: Path
    paths: tuple[Path, ...]
    name: str
    framework: str | None
    confidence: float
    why: str
    project: str | None = None
    experiment: str | None = None


class Found(Struct, frozen=True):
    """A file to be read. path is absolute and free of links; note says why it has its role.

    problems_only: it repeats another file's metrics and states (a second node's console): only its problems count.
    """

    source: Source
    path: Path
    note: str
    problems_only: bool = False


class Scan(Struct, frozen=True):
    """What a look at the run's paths gave. facts: what its configuration files state, for the run's framework."""

    run: Run
    found: list[Found]
    skipped: list[tuple[Path, str]]
    configs: list[Path]
    facts: list[ConfigFact]
