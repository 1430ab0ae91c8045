"""`rli-agent export`: a run for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.publish.naming import NAMESPACE
from rli_agent.settings.command import Configured

#: Those of rli_agent.export.forms.
FORMS = ("csv", "parquet", "perfetto", "openmetrics")


@click.command(cls=Configured)
@reading.paths
@click.option("--to", "form", type=click.Choice(FORMS), required=True, help="The form.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PATH",
    help="Write here (`-`: standard output); otherwise in the current directory, under the run's name.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over what is there.")
@click.option("--wide", is_flag=True, help="With csv: also wide.csv, a row a step and a column a metric.")
@click.option("--project", metavar="NAME", help="Label of the series; otherwise as the run says.")
@click.option("--experiment", metavar="NAME", help="Label of the series; otherwise as the run says.")
@click.option("--namespace", default=NAMESPACE, show_default=True, help="Prefix of native metrics (openmetrics).")
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], form: str, output: Path | None, force: bool, wide: bool, project: str | None,
    experiment: str | None, namespace: str, framework: str | None, rules: tuple[Path, ...], zone: str | None,
    state_dir: Path | None,
) -> None:  # fmt: skip
    """Write the run in OUTPUT_DIR for other programs: its samples, states, problems, rollouts and alerts.

    Instead of OUTPUT_DIR, a run's id (`rli-agent runs`) or its store (run.sqlite) may be given.

    \b
    csv          a file a table
    parquet      the same; needs pyarrow: pip install 'rli-agent[parquet]'
    perfetto     a Chrome trace, for ui.perfetto.dev
    openmetrics  the series of /metrics at their times, for promtool tsdb create-blocks-from
    """
    from rli_agent.asking.opening import opened
    from rli_agent.errors import UserError
    from rli_agent.export.forms import FORMS, Export
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    if wide and form != "csv":
        raise UserError(f"--wide is a table of --to csv, not of {form}", "leave it out")
    options = WatchOptions(
        list(paths), framework=framework, rules=list(rules), state_dir=state_dir, project=project,
        experiment=experiment,
    )  # fmt: skip
    with opened(options, named_zone(zone)) as run:
        if (why := run.why_empty()) is not None:
            raise UserError(f"there is nothing to export: {why}", "name the run's output directory")
        for line in FORMS[form](Export(run.store, run.labels, run.name, output, force, wide, namespace)):
            say(line, err=True)
