"""What the agent says to people at a terminal. Text of logs may hold escape sequences: they are shown, never obeyed."""

from __future__ import annotations

import os
import re
import sys
from typing import IO

import click

from rli_agent.journal import log_to

#: C0 and C1 control characters, line separators, what turns the direction of writing, surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` without control characters except newline and tab, and without what cannot be written as UTF-8."""
    return _CONTROL.sub("\ufffd", text)


def many(number: int, noun: str) -> str:
    """1 problem, 2 problems, 1,000 problems."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def sized(size: float) -> str:
    """Bytes as people say them: 950 B, 1.5 kB, 20.0 MB, 300 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def cut(text: str, most: int) -> str:
    """The text, of so many characters at most."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def say(text: str, err: bool = False) -> None:
    """Print a line, at once, also into a pipe."""
    click.echo(plain(text), err=err)


def can_draw(stream: IO[str]) -> bool:
    """Whether a stream is a terminal on which one can draw."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def log_to_stderr(level: str) -> None:
    """Send what the agent logs about itself to standard error, one line a record."""
    log_to(_write, level)


def _write(line: str) -> None:
    sys.stderr.write(plain(line))
