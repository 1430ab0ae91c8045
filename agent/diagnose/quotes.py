"""What stands in a log around a problem that its event no longer has: who wrote the line, and lines by the thousand."""

from __future__ import annotations

from pathlib import Path

from rli_agent.events import Problem
from rli_agent.parsers.wrappers import Origin, strip_ansi, unwrap

_LINE = 4096
#: Where thousands of ranks print of one incident.
MOST = 8 << 20


def origin(root: Path | None, problem: Problem) -> Origin:
    """Who wrote the problem's first line, as its wrappers say (Ray's actor and pid, a rank)."""
    return unwrap(_read(root, problem, _LINE).partition(b"\n")[0]).origin


def text_from(root: Path | None, problem: Problem) -> str:
    """The log from the problem on, some MiB of it; where it is not at hand, the problem's own message."""
    text = _read(root, problem, MOST)
    return strip_ansi(text).decode("utf-8", "replace") if text else problem.message


def _read(root: Path | None, problem: Problem, size: int) -> bytes:
    if root is None:
        return b""
    try:
        with (root / problem.file).open("rb") as log:
            log.seek(problem.offset)
            return log.read(size)
    except (OSError, ValueError):
        return b""
