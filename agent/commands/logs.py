"""`rli-agent logs`: all text of a run, merged by time."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.command(cls=Configured)
@reading.paths
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines only.")
@click.option(
    "--level", type=click.Choice(LEVELS, case_sensitive=False),
    help="Of this level or above; what belongs to a problem has the problem's.",
)  # fmt: skip
@click.option("--role", metavar="NAME", help="Of this role: trainer, orchestrator, inference, env …")
@click.option("--rank", metavar="N", help="Of this rank, where lines name theirs.")
@click.option("--text", metavar="RE", help="Lines in which this regular expression is found.")
@click.option("--step", type=int, metavar="N", help="Written while this step was done.")
@click.option(
    "--around", metavar="TIME|PROBLEM",
    help="Written around a time (14:05, ISO 8601), or a problem: its kind (the newest one), or FILE:LINE.",
)  # fmt: skip
@click.option(
    "--window", type=reading.Duration(), default="60s", show_default=True, metavar="DURATION", help="How far around."
)
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], follow: bool, tail: int | None, level: str | None, role: str | None, rank: str | None,
    text: str | None, step: int | None, around: str | None, window: float, framework: str | None,
    rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
) -> int:  # fmt: skip
    """Print all text that the run in OUTPUT_DIR wrote, its files merged by time, each line with its time and role.

    Lines without a time have that of the line before them. The run need not be watched. Exit code 1: no line matches.
    """
    from rli_agent.asking.logs import Wanted, show_logs
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import log_to_stderr
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    options = WatchOptions(list(paths), framework=framework, rules=list(rules), state_dir=state_dir)
    wanted = Wanted(level, role, rank, text, step, around, window, tail, follow)
    return 0 if show_logs(options, wanted, named_zone(zone)) else 1
