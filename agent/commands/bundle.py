"""`rli-agent bundle`: what a bug report needs."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.paths
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.tar.gz",
    help="Write here; otherwise in the current directory, under the run's name.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over what is there.")
@click.option("--with-prompts", is_flag=True, help="Leave prompts and completions in, and add rollouts.")
@click.option("--people", is_flag=True, help="Cut e-mail addresses and users' names in paths of homes, too.")
@click.option(
    "--most", default="20MB", show_default=True, metavar="SIZE", help="Bytes of all that is in it, before it is packed."
)
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    paths: tuple[Path, ...], output: Path | None, force: bool, with_prompts: bool, people: bool, most: str,
    framework: str | None, rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
) -> None:  # fmt: skip
    """Pack what a bug report needs of the run in OUTPUT_DIR into one file: the diagnosis, status, problems, parts of
    the logs around them, configurations, versions, the timeline. Secrets are cut out, and prompts and completions.

    Instead of OUTPUT_DIR, a run's id (`rli-agent runs`) or its store (run.sqlite) may be given; the logs themselves
    are then left out. It says what went in and what was cut; look at it before you send it.
    """
    from rli_agent.asking.packing import pack
    from rli_agent.errors import UserError
    from rli_agent.options import WatchOptions
    from rli_agent.store.keep import keep
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    try:
        _, size = keep([most])
    except ValueError as e:
        raise UserError(f"--most {e}", "such as --most 20MB") from None
    if size is None:
        raise UserError(f"--most {most} is not a size", "such as --most 20MB")
    options = WatchOptions(list(paths), framework=framework, rules=list(rules), state_dir=state_dir)
    for line in pack(
        options, named_zone(zone), output, with_prompts=with_prompts, people=people, most=size, force=force
    ):  # fmt: skip
        say(line)
