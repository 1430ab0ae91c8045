"""`rli-agent export`: a run for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

FORMS = ("openmetrics",)


@click.command(cls=Configured)
@click.argument("paths", metavar="OUTPUT_DIR [PATH...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(FORMS), required=True, help="The form.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PATH",
    help="Write here (`-`: standard output); otherwise beside you, under the run's name.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over what is there.")
@click.option("--project", metavar="NAME", help="Label of every series; otherwise as the run says.")
@click.option("--experiment", metavar="NAME", help="Label of every series; otherwise as the run says.")
@click.option("--namespace", default="rl_insight_monitor", show_default=True, help="Prefix of native metrics.")
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], form: str, output: Path | None, force: bool, project: str | None, experiment: str | None,
    namespace: str, framework: str | None, rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
) -> None:  # fmt: skip
    """Write the run in OUTPUT_DIR for other programs: its samples, states, problems, rollouts and alerts.

    Instead of OUTPUT_DIR, a run's id (`rli-agent runs`) or its store (run.sqlite) may be given.

    openmetrics: the series of /metrics at their times, for `promtool tsdb create-blocks-from openmetrics`.
    """
    from rli_agent.asking.opening import opened
    from rli_agent.export.forms import SUFFIXES, Target, to_openmetrics
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    options = WatchOptions(
        list(paths), framework=framework, rules=list(rules), state_dir=state_dir, project=project,
        experiment=experiment,
    )  # fmt: skip
    with opened(options, named_zone(zone)) as run:
        target = Target(output or Path(run.name + SUFFIXES[form]), force, namespace)
        for line in to_openmetrics(run.store, run.labels, target):
            say(line, err=True)
