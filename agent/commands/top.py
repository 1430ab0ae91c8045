"""`rli-agent top`: the run on a terminal, drawn again every second."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.optional_paths
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], zone: str | None, state_dir: Path | None
) -> None:
    """Show a run on the terminal until Ctrl-C: OUTPUT_DIR's, or the one that was watched last.

    Where an agent watches the run, its store is shown, wherever that agent was started on this machine. Otherwise the
    run is followed here: no port is opened, nobody is told of anything, and nothing is left behind.
    """
    from rli_agent.asking.top import top
    from rli_agent.asking.which import newest_run
    from rli_agent.options import WatchOptions
    from rli_agent.store.location import state_dir as default_state_dir
    from rli_agent.zone import named_zone

    asked = list(paths) or [newest_run(default_state_dir(state_dir, Path.home())[0])]
    options = WatchOptions(asked, framework=framework, rules=list(rules), state_dir=state_dir, listen="none")
    top(options, named_zone(zone))
