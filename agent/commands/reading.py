"""The options of every command that reads a run, and the rule packs that they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rli_agent.durations import seconds

if TYPE_CHECKING:
    from rli_agent.rulebook import Rulebook


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.3
    """`30s`, `5m`, `4h` or `2d`; its value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return seconds(value)
        except ValueError as e:
            self.fail(str(e), param, ctx)


_path = click.Path(path_type=Path)
paths = click.argument("paths", metavar="OUTPUT_DIR [PATH...]", nargs=-1, required=True, type=_path)
optional_paths = click.argument("paths", metavar="[OUTPUT_DIR [PATH...]]", nargs=-1, type=_path)
framework = click.option(
    "--framework", metavar="NAME", help="Read the run with this framework's pack; otherwise the framework is detected."
)
rules = click.option(
    "--rules", multiple=True, type=click.Path(exists=True, path_type=Path), metavar="FILE_OR_DIR",
    help="More rule packs; one with the name of another replaces it.",
)  # fmt: skip
zone = click.option(
    "--zone", metavar="NAME", help="Time zone of stamps that name none, like Europe/Paris; otherwise this host's."
)
alerts = click.option(
    "--alerts", type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE", help="Whom to tell, and of what: a YAML file of channels and routes (docs/alerts.md).",
)  # fmt: skip
detectors = click.option(
    "--detectors", multiple=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Change detectors of learning failures, or add some: YAML as docs/detectors.md describes it.",
)  # fmt: skip
state_dir = click.option(
    "--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where the stores are; otherwise in ~/.rl-insight, or on the node's scratch disk where the home is not local.",
)  # fmt: skip


def packs(places: Sequence[Path], rules: Sequence[Path]) -> Rulebook:
    """The packs in force for a run at these places; standard error says which are left out, and why."""
    from rli_agent.rulebook import Rulebook  # late: not every command reads packs

    book = Rulebook([p for p in places if p.is_dir()], rules)
    for complaint in book.complaints:
        click.echo(f"rule pack left out: {complaint}", err=True)
    return book
