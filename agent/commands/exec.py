"""`rli-agent exec`: start a trainer, and watch it."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured, context_settings={"allow_interspersed_args": False})
@click.argument("words", metavar="[--] COMMAND [ARGS...]", nargs=-1, required=True)
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the output into this new file; otherwise below the state directory, it says where.",
)  # fmt: skip
@click.option(
    "--output-dir", "places", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Where the command also writes: watched as well.",
)  # fmt: skip
@reading.framework
@reading.rules
@reading.zone
@click.option("--listen", metavar="HOST:PORT", help="As for `watch`.")
@reading.alerts
@reading.state_dir
@click.option("--plain", is_flag=True, help="On a terminal too: the command's output, instead of drawing the run.")
def command(
    words: tuple[str, ...], log: Path | None, places: tuple[Path, ...], framework: str | None,
    rules: tuple[Path, ...], zone: str | None, listen: str | None, alerts: Path | None, state_dir: Path | None,
    plain: bool,
) -> int:  # fmt: skip
    """Run COMMAND, its output in a log, and watch it until it ends. Signals and the exit code pass through.

    On a terminal the run is drawn; otherwise the output is passed on to standard output, and what the agent says goes
    to standard error. The command goes on whatever happens to the agent.
    """
    import os
    import sys
    from datetime import datetime
    from functools import partial

    from rli_agent.api.process import DIRECTORY, VARIABLE
    from rli_agent.executing import execute
    from rli_agent.journal import log_to
    from rli_agent.options import WatchOptions
    from rli_agent.store.location import state_dir as default_state_dir
    from rli_agent.terminal import can_draw, log_to_stderr, say
    from rli_agent.zone import named_zone

    if log is None:
        state, _ = default_state_dir(state_dir, Path.home())
        log = state / "exec" / f"{Path(words[0]).name}-{datetime.now():%Y%m%d-%H%M%S-%f}" / "console.log"
    watched = [*places, log] if places else [log.parent if log.name == "console.log" else log]
    events = os.environ.get(VARIABLE) or f"{os.path.abspath(places[0] if places else log.parent)}/{DIRECTORY}/"
    if not any(Path(events).is_relative_to(os.path.abspath(path)) for path in watched):
        watched.append(Path(events))
    options = WatchOptions(
        watched, framework=framework, rules=list(rules), listen=listen, alerts=alerts, state_dir=state_dir, one_run=True
    )
    stamps = named_zone(zone)
    if plain or not can_draw(sys.stdout):
        log_to_stderr("INFO")
        tell = partial(say, err=True)
        tell(f"log: {log}")
        return execute(words, log, options, stamps, tell, lambda _: None, True, {VARIABLE: events})
    from rli_agent.view import Background, View  # here: what draws is not needed for lines

    view = View(stamps)
    last = ""

    def keep(text: str) -> None:
        nonlocal last
        last = text
        view.say(text)

    log_to(view.say, "INFO")
    with Background(view):
        code = execute(words, log, options, stamps, keep, view.opened, False, {VARIABLE: events})
    say(f"exit code {code}; log: {log}")
    say(last)  # how it ended: what was drawn is gone
    return code
