"""`rli-agent report`: the run in one file to send around."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.paths
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", default=Path("report.html"),
    show_default=True, help="Write the report here.",
)  # fmt: skip
@click.option(
    "--trace", "traces", multiple=True, type=click.Path(path_type=Path), metavar="FILE_OR_DIR",
    help="Draw this trace too: Ray's timeline, or torch's profiler by rank (*.json, *.json.gz).",
)  # fmt: skip
@click.option(
    "--png", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Draw the same at a glance as one picture, too (needs matplotlib).",
)  # fmt: skip
@click.option("--no-rollouts", is_flag=True, help="Leave out what the model was asked and wrote.")
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], output: Path, traces: tuple[Path, ...], png: Path | None, no_rollouts: bool,
    framework: str | None, rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
) -> None:  # fmt: skip
    """Write what happened in a run into one HTML file: in words, as a timeline, curves and tables.

    It works from the logs alone, whether the run is over or not; where an agent watches the run, from its store. The
    file loads nothing from elsewhere. Where the logs are gone, give the store (run.sqlite) instead of OUTPUT_DIR.
    """
    from rli_agent.asking.report import contents_of
    from rli_agent.export.files import new_file
    from rli_agent.options import WatchOptions
    from rli_agent.report.page import page
    from rli_agent.report.picture import picture
    from rli_agent.terminal import log_to_stderr, say, sized
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    options = WatchOptions(list(paths), framework=framework, rules=list(rules), state_dir=state_dir)
    contents, rollouts = contents_of(options, named_zone(zone), not no_rollouts, traces)
    say(contents.answer.answer)
    data = page(contents, rollouts).encode("utf-8")
    with new_file(output, force=True) as part:
        part.write_bytes(data)
    say(f"{output}: {sized(len(data))}")
    if png is not None:
        with new_file(png, force=True) as part:
            part.write_bytes(picture(contents))
        say(f"{png}: {sized(png.stat().st_size)}")
