"""`rli-agent fleet`: how are they all?"""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.zone
@reading.state_dir
@click.option("--prometheus", metavar="URL", help="Ask this Prometheus for the runs of all machines that it scrapes.")
@click.option("--all", "everything", is_flag=True, help="Also runs not heard of for a day, and empty ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def command(zone: str | None, state_dir: Path | None, prometheus: str | None, everything: bool, as_json: bool) -> int:
    """Say how all runs are: those with a store on this machine, or those that a Prometheus knows. The first line names
    the run that needs somebody.

    Exit code 0: all healthy or finished, or no runs found. 1: one is degraded. 2: one is down, or cannot be told.
    """
    import time

    import msgspec

    from rli_agent.answer.report import EXIT_CODES
    from rli_agent.fleet.run import in_order
    from rli_agent.store.location import state_dir as where
    from rli_agent.terminal import say
    from rli_agent.zone import named_zone

    stamps, now = named_zone(zone), time.time()
    if prometheus is not None:
        from rli_agent.fleet.prometheus import runs_of_prometheus  # here: it brings an HTTP client with it

        found = runs_of_prometheus(prometheus, now)
    else:
        from rli_agent.fleet.stores import runs_of_stores

        found = runs_of_stores(where(state_dir, Path.home())[0], stamps, everything)
    runs = in_order(found, now, everything)
    if as_json:
        for run in runs:
            say(msgspec.json.encode(run).decode())
    else:
        from rli_agent.reporters.fleet import print_fleet

        print_fleet(runs, now, stamps)
    return EXIT_CODES[runs[0].health] if runs else 0
