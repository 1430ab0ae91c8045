"""`rli-agent backfill`: an old run, brought into Prometheus as blocks."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.paths
@click.option(
    "--root", type=click.Path(path_type=Path), metavar="DIR",
    help="Where the stack lies; otherwise what RLI_AGENT_SERVER_ROOT names, else ~/.rl-insight.",
)  # fmt: skip
@click.option(
    "--blocks", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Only make the blocks, here, for another Prometheus.",
)  # fmt: skip
@click.option("--job", metavar="NAME", help="Label of the series; otherwise rli-agent.")
@click.option("--instance", metavar="NAME", help="Label of the series; otherwise where the run's agent is scraped.")
@click.option("--project", metavar="NAME", help="Label of the series; otherwise as the run says.")
@click.option("--experiment", metavar="NAME", help="Label of the series; otherwise as the run says.")
@click.option("--namespace", default="rl_insight_monitor", show_default=True, help="Prefix of native metrics.")
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], root: Path | None, blocks: Path | None, job: str | None, instance: str | None,
    project: str | None, experiment: str | None, namespace: str, framework: str | None, rules: tuple[Path, ...],
    zone: str | None, state_dir: Path | None,
) -> None:  # fmt: skip
    """Bring what is too old to be sent into the data of the stack's Prometheus, which may run meanwhile.

    A watch sends what is younger than 30 days by itself (docs/history.md). Instead of OUTPUT_DIR, a run's id
    (`rli-agent runs`) or its store (run.sqlite) may be given.
    """
    from rli_agent.asking.opening import opened
    from rli_agent.options import WatchOptions
    from rli_agent.server.backfill import Source, into_folder, into_stack, placed
    from rli_agent.server.places import Places, default_root
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    places = Places((root or default_root()).expanduser().absolute())
    options = WatchOptions(
        list(paths), framework=framework, rules=list(rules), state_dir=state_dir, project=project,
        experiment=experiment,
    )  # fmt: skip
    with opened(options, named_zone(zone)) as run:
        source = Source(run.store, placed(places, run.labels, job, instance), namespace)
        if blocks is not None:
            into_folder(blocks.absolute(), source, say)
        else:
            into_stack(places, source, say)
