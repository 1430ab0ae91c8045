"""A run's log on the terminal: what was asked for is looked up in its store, the lines are read from its files."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, tzinfo

import click
from msgspec import Struct

from rli_agent.asking.ask import Asked, only_run, store_of
from rli_agent.asking.stopping import stopped_by_signal
from rli_agent.discover import Discovery, Found
from rli_agent.errors import UserError
from rli_agent.logs.lines import LogLine
from rli_agent.logs.merged import followed, merged, text_files
from rli_agent.logs.selection import Selection, moment, window_of_step
from rli_agent.options import WatchOptions
from rli_agent.parsing import why_nothing
from rli_agent.store.connection import read_only
from rli_agent.terminal import many, plain

#: Roles by colour; others by their turn.
_COLOURS = {
    "trainer": "green", "orchestrator": "cyan", "inference": "magenta", "env": "blue", "launcher": "white",
    "router": "bright_black",
}  # fmt: skip
_LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red", "DEBUG": "bright_black"}
#: Characters of a line that are printed.
_LONGEST = 4000


class Wanted(Struct, frozen=True):
    """What the user asked for."""

    level: str | None
    role: str | None
    rank: str | None
    text: str | None
    step: int | None
    around: str | None
    window: float
    tail: int | None
    follow: bool


def show_logs(options: WatchOptions, wanted: Wanted, zone: tzinfo) -> bool:
    """Print the lines that are wanted; whether there were any. Raises UserError."""
    run = only_run(options)
    finder = Discovery(options.paths, run.book.packs, options.framework)
    found = text_files(finder.scan())
    number = _print_old(run, found, wanted, zone)
    if wanted.follow:
        stop = stopped_by_signal()
        selection = _selection(wanted)
        for line in followed(lambda: text_files(finder.scan()), lambda: not stop.is_set()):
            if selection.wants(line):
                _print(line, zone)
                number += 1
    elif not number:
        why = f"no line of {many(len(found), 'file')} fits" if found else why_nothing(finder.scan())[0]
        click.echo(plain(why), err=True)
    return bool(number)


def _print_old(run: Asked, found: list[Found], wanted: Wanted, zone: tzinfo) -> int:
    with store_of(run, zone) as (store, _), closing(read_only(store)) as db:
        selection = _selection(wanted, db, zone)
        lines: Iterable[LogLine] = (line for line in merged(found, db, zone) if selection.wants(line))
        if wanted.tail is not None:
            lines = deque(lines, maxlen=wanted.tail)
        number = 0
        for line in lines:
            _print(line, zone)
            number += 1
        return number


def _selection(wanted: Wanted, db: sqlite3.Connection | None = None, zone: tzinfo | None = None) -> Selection:
    since = until = None
    if db is not None and zone is not None:
        if wanted.step is not None:
            since, until = window_of_step(db, wanted.step)
        if wanted.around is not None:
            (last,) = db.execute("SELECT max(mtime) FROM sources").fetchone()
            at = moment(wanted.around, db, zone, last or time.time())
            since, until = at - wanted.window, at + wanted.window
    try:
        pattern = re.compile(wanted.text) if wanted.text is not None else None
    except re.error as error:
        hint = "put a backslash before what is meant as it is"
        raise UserError(f"--text {wanted.text!r} is not a regular expression: {error}", hint) from None
    return Selection(wanted.level, wanted.role, wanted.rank, pattern, since, until)


def _print(line: LogLine, zone: tzinfo) -> None:
    when = datetime.fromtimestamp(line.time, zone).strftime("%m-%d %H:%M:%S")
    who = line.role + (f"/{line.rank}" if line.rank else "")
    text = click.style(plain(line.text)[:_LONGEST], fg=_LEVELS.get(line.level or ""))
    click.echo(f"{when} {click.style(f'{who:<14}', fg=_COLOURS.get(line.role, 'white'))} {text}")
