"""A run on the terminal: from the store of the agent that watches it, or followed here for as long as one looks."""

from __future__ import annotations

import sys
from datetime import tzinfo

from msgspec.structs import replace

from rli_agent.asking.ask import runs_in, scratch_state
from rli_agent.asking.stopping import stopped_by_signal
from rli_agent.errors import UserError
from rli_agent.journal import log_to
from rli_agent.options import WatchOptions
from rli_agent.terminal import can_draw
from rli_agent.view import Background, View
from rli_agent.watching import watch


def top(options: WatchOptions, zone: tzinfo) -> None:
    """Show the runs in `options.paths` until SIGINT or SIGTERM: those that are watched, if there are any. Raises
    UserError."""
    if not can_draw(sys.stdout):
        raise UserError("top draws on a terminal, and this is none", "`rli-agent status` prints one screen")
    view = View(zone)
    log_to(view.say, "ERROR")
    runs = runs_in(options)
    watched = [run.store for run in runs if run.watched]
    if watched:
        stop = stopped_by_signal()
        for store in watched:
            view.opened(store)
        view.run(stop)
        return
    with scratch_state(runs[0].store) as scratch, Background(view):
        watch(replace(options, state_dir=scratch, private=True), zone, view.say, view.opened)
