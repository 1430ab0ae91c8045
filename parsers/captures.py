"""What a program that captures another's output puts before every line of it, where only the file as a whole tells: the
task's number (`srun --label`), the service (`docker compose logs`), the host (pdsh), the pod and container (stern), the
machine and unit (journald), the time (`ts`, CI logs).

One line tells nothing: `3: ` may be a list's, `09:16:35 ` the program's own. A file that bears such a prefix bears it
on nearly every line, with few writers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeAlias

from rli_agent.parsers.lazy_patterns import lazy_pattern

Form: TypeAlias = Literal["task", "service", "host", "unit", "pod", "clock"]

_LEVEL = rb"(?:TRACE|DEBUG|INFO|SUCCESS|WARN|ERROR|CRITICAL|FATAL)"
_CLOCK = rb"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d{1,9})?"
#: The prefix of a line: `who` writes it, or `stamp` is when. (`Jul 31 08:28:47 ` and `08:28:47 ` are those of `ts`.)
PREFIXES: dict[Form, re.Pattern[bytes]] = {
    "task": lazy_pattern(rb" *\[?(?P<who>\d{1,6})\]?:(?: |\Z)"),  # Lightning has it in brackets
    "service": lazy_pattern(rb"(?P<who>[A-Za-z][\w.-]{0,100}) +\|(?: |\Z)"),
    "host": lazy_pattern(rb"(?P<who>(?:\d{1,3}\.){3}\d{1,3}|[A-Za-z][\w.-]{0,100}\d):(?: |\Z)"),
    "unit": lazy_pattern(
        rb"(?P<stamp>[A-Z][a-z][a-z] [ \d]\d " + _CLOCK + rb") (?P<who>[\w.-]{1,100})"
        rb" [\w@./-]{1,100}(?:\[\d{1,9}\])?:(?: |\Z)"
    ),
    "pod": lazy_pattern(rb"(?P<who>[a-z0-9][a-z0-9.-]{1,100} [a-z][a-z0-9-]{0,60})(?: |\Z)"),
    "clock": lazy_pattern(  # a clock before a level word is the program's own
        rb"\[?(?P<stamp>[A-Z][a-z][a-z] [ \d]\d " + _CLOCK + rb"|" + _CLOCK + rb"(?!\]? *(?:\| *)?" + _LEVEL + rb"))"
        rb"\]?(?: |\Z)"
    ),
}
_ANSI = lazy_pattern(rb"\x1b\[[0-9;]*m")
_LOOKED_AT = 16_384
#: How many lines tell, at the least, and how many each writer has on average.
_TELLING: dict[Form, tuple[int, int]] = {
    "task": (4, 2),
    "service": (4, 4),
    "host": (4, 4),
    "unit": (4, 4),
    "pod": (4, 4),
    "clock": (4, 0),
}
#: Names that nobody but a collector gives: those of compose's containers, and hosts with a number or a domain.
_NAMES: dict[Form, re.Pattern[bytes]] = {
    "service": lazy_pattern(rb".*[-_]\d{1,4}"),
    "host": lazy_pattern(rb"(?:\d{1,3}\.){3}\d{1,3}|[A-Za-z][\w.-]*[-.][\w.-]*\d"),
}


def capture(data: bytes, telling: Callable[[bytes], bool]) -> Form | None:
    """The prefix that the lines of a text bear: three of four at the least, from the first such line on.

    `telling`: whether a text begins as a log's line does, with a header or a wrapper, say. That is what must
    stand behind a name that may be a word, and what must not be a clock's own line.
    """
    lines = [line for line in _ANSI.sub(b"", data[:_LOOKED_AT]).split(b"\n")[:-1] if line.strip()]
    return next((form for form in PREFIXES if _bears(form, lines, telling)), None)


def _bears(form: Form, lines: list[bytes], telling: Callable[[bytes], bool]) -> bool:
    matches = [PREFIXES[form].match(line) for line in lines]
    first = next((i for i, found in enumerate(matches) if found is not None), len(lines))
    borne = [found for found in matches[first:] if found is not None]
    fewest, apiece = _TELLING[form]
    if len(borne) < fewest or len(borne) * 4 < (len(lines) - first) * 3:
        return False
    if form == "clock":  # a line in four may look like a header by chance
        return sum(telling(found.string) for found in borne) * 4 < len(borne)
    if len({found["who"] for found in borne}) * apiece > len(borne):
        return False  # numbers and names that are all different are a list's
    if form == "task" or (form in _NAMES and all(_NAMES[form].fullmatch(found["who"]) for found in borne)):
        return True
    return any(telling(found.string[found.end() :]) for found in borne)
