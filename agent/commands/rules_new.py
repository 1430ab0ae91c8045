"""`rli-agent rules new`: a first pack from a log."""

from __future__ import annotations

import re
from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

_LOG = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("new", cls=Configured, short_help="Draft a rule pack from a log.")
@click.option("--from", "log", required=True, type=_LOG, metavar="FILE", help="A log of the trainer.")
@click.option("--name", metavar="NAME", help="The pack's name; otherwise the log's.")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the pack here, which must be a new file; otherwise to standard output.",
)  # fmt: skip
@reading.rules
def command(log: Path, name: str | None, target: Path | None, rules: tuple[Path, ...]) -> None:
    """Find the lines of a log that repeat and hold figures, and write a pack that reads them, with examples and near
    misses from the log, for you to go on with."""
    from rli_agent.drafting.draft import draft
    from rli_agent.errors import UserError
    from rli_agent.rulebook import Rulebook, packaged_rules
    from rli_agent.terminal import many, plain
    from rli_agent.zone import named_zone

    called = name or re.sub(r"[^a-z0-9]+", "-", log.stem.lower()).strip("-") or "my-trainer"
    book = Rulebook((), rules)
    drafted = draft(log, called, list(book.packs.values()), packaged_rules() / "pack.schema.json", named_zone(None))
    if target is None:
        click.echo(plain(drafted.text), nl=False)
    else:
        try:
            with target.open("x", encoding="utf-8") as file:
                file.write(drafted.text)
        except FileExistsError:
            raise UserError(f"{target} is there already", "give a new file, or remove it") from None
        except OSError as e:
            raise UserError(f"{target} cannot be written: {e.strerror or e}") from None
    click.echo(f"{many(len(drafted.rules), 'rule')} from {log}", err=True)
    if drafted.left_out:
        click.echo("left out, the commonest lines without a figure that has a name:", err=True)
        for shape in drafted.left_out[:5]:
            click.echo(plain(f"  {shape.count:,}× {shape.text[:160]}"), err=True)
    where = target or "FILE"
    click.echo(f"next: rli-agent rules check {where}; rli-agent parse --rules {where} {log}", err=True)
