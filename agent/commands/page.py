"""`rli-agent page`: runs in a browser, without watching them."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@click.argument("paths", metavar="[OUTPUT_DIR...]", nargs=-1, type=click.Path(path_type=Path))
@reading.framework
@reading.rules
@reading.zone
@click.option("--listen", metavar="HOST:PORT", help="Serve it here; otherwise at 127.0.0.1:9092 or the next free port.")
@reading.state_dir
@click.option("--prometheus", metavar="URL", help="Show the runs of all machines that this Prometheus scrapes too.")
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], zone: str | None, listen: str | None,
    state_dir: Path | None, prometheus: str | None,
) -> None:  # fmt: skip
    """Serve the page of the runs that were watched on this machine, until Ctrl-C.

    The run in each OUTPUT_DIR, or each of those in it, comes first: live where an agent watches it, otherwise as its
    logs are now. Nothing is followed, kept or written. (`rli-agent watch` has the page too, and follows the run.)
    """
    from rli_agent.asking.page import serve
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    options = WatchOptions(list(paths), framework=framework, rules=list(rules), state_dir=state_dir, listen=listen)
    serve(options, named_zone(zone), say, prometheus)
