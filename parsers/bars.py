"""Progress bars on a line: every refresh that tqdm drew, in order."""

from __future__ import annotations

import re

from rli_agent.parsers.captures import Form
from rli_agent.parsers.wrappers import strip_ansi, unwrap

#: Behind `Episode [1/1]:   3%` stands `|▎ | 1/31 [01:17<38:30, 77.00s/it, reward=0.239]`.
_COUNTS = re.compile(rb"%\|[^|\r\n]{0,1000}\| *[\d.,]{1,20}[kMGTP]?/[\d.,?]{1,20}[kMGTP]? \[[^\[\]\r\n]{0,4000}\]")
_DIGITS = b"0123456789"
#: A bar below another one is left by moving the cursor up.
_NESTED = b"]\x1b[A"
#: Refreshes of one line that are looked at, the last ones; bytes of a description.
MAX_BARS = 256
MAX_DESCRIPTION = 200


def is_table(text: bytes) -> bool:
    """Whether a text begins with a box-drawing character: a row of a table, in which bars are somebody's words."""
    return text[:2] in (b"\xe2\x94", b"\xe2\x95")


def bars(line: bytes, capture: Form | None = None) -> list[str]:
    """The bars on one physical line, without wrappers and colours, from their description to the bracket behind their
    counts. Bars that are nested in another are left out. `capture`: what the file's lines bear before."""
    parts = [part for part in line.split(b"\r") if b"%|" in part and _NESTED not in part]
    found: list[str] = []
    for part in parts[-MAX_BARS:]:
        text = unwrap(part, capture).text
        if not is_table(text):
            found += _bars(text)
    return found[-MAX_BARS:]


def _bars(text: bytes) -> list[str]:
    found: list[str] = []
    end = 0
    at = text.find(b"%|")
    while at >= 0 and len(found) < MAX_BARS:
        counts = _COUNTS.match(text, at)
        start = max(end, at - MAX_DESCRIPTION, text.rfind(b"|", end, at) + 1)
        if counts is not None and text[at - 1 : at] in _DIGITS and start < at:
            end = counts.end()
            found.append(strip_ansi(text[start:end]).decode("utf-8", "replace"))
        at = text.find(b"%|", max(end, at + 2))
    return found
