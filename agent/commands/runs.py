"""`rli-agent runs`: the stores that the agent keeps, a run each."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.group(invoke_without_command=True)
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="As with `list`.")
@click.option("--json", "as_json", is_flag=True, help="As with `list`.")
@click.pass_context
def command(ctx: click.Context, state_dir: Path | None, as_json: bool) -> None:
    """The runs that were watched, each with its store: list, copy and delete them. Alone it lists."""
    asked = [*(["--state-dir", str(state_dir)] if state_dir is not None else []), *(["--json"] if as_json else [])]
    if ctx.invoked_subcommand is None:
        # With its settings, which `invoke` leaves out.
        with list_stores.make_context("list", asked, parent=ctx) as inner:
            list_stores.invoke(inner)
    elif asked:
        raise click.UsageError(f"{asked[0]} stands behind the command: runs {ctx.invoked_subcommand} {asked[0]}")


@command.command("list", cls=Configured)
@reading.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def list_stores(state_dir: Path | None, as_json: bool) -> None:
    """List the runs, the one written last first."""
    import time

    import msgspec

    from rli_agent.life.wording import spoken
    from rli_agent.publish.naming import clean
    from rli_agent.store.registry import list_runs
    from rli_agent.terminal import say, sized

    state = _state(state_dir)
    runs = list_runs(state)
    if as_json:
        for info in runs:
            say(msgspec.json.encode(info, enc_hook=str).decode())
        return
    if not runs:
        why = "holds no store" if state.is_dir() else "does not exist"
        say(f"no run was watched so far: {state} {why}")
        return
    rows = [("RUN", "FRAMEWORK", "LIFE", "STEP", "SIZE", "WRITTEN", "PATH")]
    for info in runs:
        written = "being watched" if info.writing else f"{spoken(time.time() - info.changed)} ago"
        known = (info.framework or "-", info.life or "-", "-" if info.last_step is None else str(info.last_step))
        rows.append((info.run, *known, sized(info.bytes), written, clean(info.error or info.root or "-", 500)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        say("  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]))


@command.command("copy", cls=Configured, short_help="Copy a run's store into one file.")
@click.argument("run")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@reading.state_dir
def copy(run: str, file: Path, state_dir: Path | None) -> None:
    """Copy RUN's store into the new FILE, as it stands now, also while it is being written."""
    from rli_agent.store.registry import copy_run
    from rli_agent.terminal import say, sized

    copy_run(_state(state_dir), run, file)
    say(f"{file}: {sized(file.stat().st_size)}")


@command.command("prune", cls=Configured)
@click.option(
    "--keep", "bounds", multiple=True, required=True, metavar="AGE_OR_SIZE",
    help="Keep what was written within this time (12h, 30d, 4w), or at most so much of it (500MB, 20GB); or both.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be deleted.")
@reading.state_dir
def prune(bounds: tuple[str, ...], dry_run: bool, state_dir: Path | None) -> None:
    """Delete the stores of runs that were written longest ago. None that is being watched is touched, and no log."""
    from rli_agent.store.keep import keep
    from rli_agent.store.registry import prune_runs
    from rli_agent.terminal import say

    try:
        days, size = keep(bounds)
    except ValueError as e:
        raise click.BadParameter(str(e), param_hint="--keep") from None
    gone = prune_runs(_state(state_dir), days, size, dry_run)
    for run in gone:
        say(f"{'would delete' if dry_run else 'deleted'} {run}")
    if not gone:
        say("nothing to delete")


def _state(state_dir: Path | None) -> Path:
    from rli_agent.store.location import state_dir as where

    return where(state_dir, Path.home())[0]
