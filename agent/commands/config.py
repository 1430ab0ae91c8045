"""`rli-agent config`: which settings hold, and where each comes from."""

from __future__ import annotations

import json
from typing import Any

import click

from rli_agent.commands.watch import command as watch
from rli_agent.settings.command import Configured


@click.group()
def command() -> None:
    """Settings come from options, from RLI_AGENT_* in the environment, and from YAML files: see docs/settings.md."""


def _show(as_json: bool, **values: Any) -> None:
    """Print each setting, its value, and where that came from.

    They are those of a `watch` of OUTPUT_DIR with the same options.

    Secrets are not shown, only whether they are set.
    """
    from rli_agent.settings.command import files
    from rli_agent.settings.shown import shown
    from rli_agent.terminal import say

    ctx = click.get_current_context()
    rows = shown(ctx, watch, values)
    if as_json:
        click.echo(json.dumps({row.key: {"value": row.value, "from": row.origin} for row in rows}, indent=2))
        return
    width = max(len(row.key) for row in rows)
    texts = [row.text for row in rows]
    column = min(40, max(map(len, texts)))
    for row, text in zip(rows, texts, strict=True):
        say(f"{row.key:{width}}  {text:{column}}  {row.origin}")
    for file in files(ctx):
        say(f"settings file {file}: {'read' if file.is_file() else 'not there'}")


_paths = click.Argument(["paths"], metavar="[OUTPUT_DIR...]", nargs=-1)
_json = click.Option(["--json", "as_json"], is_flag=True, help="One JSON object: setting → value and where from.")
_options = [p for p in watch.params if isinstance(p, click.Option) and p.name != "config_file"]
command.add_command(Configured("show", params=[_paths, _json, *_options], callback=_show, help=_show.__doc__))
