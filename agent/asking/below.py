"""Which of the runs below a directory is meant: asked at a terminal, else said which there are."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import click

from rli_agent.discover.runs import RunFinder
from rli_agent.errors import UserError
from rli_agent.life.wording import spoken
from rli_agent.publish.naming import clean
from rli_agent.rulebook import Rulebook

#: So many are offered, the last written ones.
OFFERED = 20


def choose(here: Path, rules: Sequence[Path], ask: bool) -> Path:
    """The directory of a run below `here`, or `here`, if it is one. `ask`: somebody can answer. Raises UserError."""
    finder = RunFinder(here, Rulebook([here], rules).packs)
    places = finder.find()
    if not places and finder.settled:
        return here
    if not places:
        raise UserError(f"no run was found in {here} or below it", "name its directory: rli-agent watch OUTPUT_DIR")
    now = time.time()
    names = [os.path.relpath(place.path, here) for place in places[:OFFERED]]
    lines = [
        f"{number:3}  {clean(name)}  (written {spoken(now - place.changed)} ago)"
        for number, (name, place) in enumerate(zip(names, places, strict=False), start=1)
    ]
    if not ask:
        hint = "name one, or the directory that holds them: rli-agent watch OUTPUT_DIR"
        raise UserError("\n".join([f"which run? There are {len(places)} below {here}:", *lines]), hint)
    click.echo("\n".join([f"below {here}, the last written first:", *lines]))
    number = click.prompt("which (0: all of them)", type=click.IntRange(0, len(names)), default=1)
    return Path(names[number - 1]) if number else here
