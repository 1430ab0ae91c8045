"""`rli-agent parse`: events as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@reading.framework
@reading.rules
@reading.zone
def command(paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], zone: str | None) -> None:
    """Print what the rules read in PATH (a run's directory, log files, or `-` for standard input), as JSON lines."""
    import sys

    from rli_agent.errors import UserError
    from rli_agent.parsing import discover, parse_paths, parse_stream, why_nothing
    from rli_agent.printing import json_line
    from rli_agent.terminal import log_to_stderr, plain
    from rli_agent.zone import named_zone

    log_to_stderr("WARNING")
    book = reading.packs(paths, rules)
    stamps = named_zone(zone)
    if paths == (Path("-"),):
        events = parse_stream(sys.stdin.buffer, book, stamps, framework)
    elif Path("-") in paths:
        raise UserError("standard input cannot be read together with files", "give `-` alone")
    else:
        events = parse_paths(paths, book, stamps, framework)
    nothing = True
    for event in events:
        sys.stdout.write(json_line(event) + "\n")
        nothing = False
    if nothing and paths != (Path("-"),):
        click.echo(plain("\n".join(["nothing is read:", *why_nothing(discover(paths, book, framework))])), err=True)
