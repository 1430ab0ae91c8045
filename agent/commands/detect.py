"""`rli-agent detect`: what the detectors would have said of a run."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@click.argument("paths", metavar="OUTPUT_DIR|TRACE...", nargs=-1, type=click.Path(path_type=Path))
@reading.framework
@reading.rules
@click.option(
    "--config", "--detectors", "configs", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE", help="Change detectors, or add some: YAML as docs/detectors.md describes it.",
)  # fmt: skip
@click.option("--json/--table", "as_json", default=None, help="JSON lines, or text; text on a terminal unless given.")
@click.option("--plot", is_flag=True, help="Draw the series that raised each alert.")
@click.option("--explain", metavar="NAME", help="Say what a detector looks at (`all`: each of them), and end.")
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], configs: tuple[Path, ...],
    as_json: bool | None, plot: bool, explain: str | None,
) -> None:  # fmt: skip
    """Run the detectors of learning failures over a run that is over, or over metric traces, and print the alerts.

    OUTPUT_DIR is a run's directory, or log files of one run. A TRACE is a run of its own: JSON lines of the form
    {"step": 12, "metrics": {"entropy": 0.3, …}}.
    """
    import sys

    from rli_agent.detect.loading import detector_files, load
    from rli_agent.errors import UserError
    from rli_agent.replay_report import explain_detectors, report
    from rli_agent.terminal import log_to_stderr

    log_to_stderr("WARNING")
    detectors = load([*detector_files([p for p in paths if p.is_dir()]), *configs])
    if explain is not None:
        click.echo(explain_detectors(detectors, explain))
        return
    if not paths:
        raise UserError("nothing to look at", "give a run's output directory or a metric trace, or --explain NAME")
    json_lines = as_json if as_json is not None else not sys.stdout.isatty()
    report(list(paths), detectors, list(rules), framework, click.echo, json_lines=json_lines, plot=plot)
