"""Progress bars on a line: every refresh that tqdm drew, in order."""

from __future__ import annotations

import re

from rli_agent.parsers.wrappers import strip_ansi, unwrap

#: `Episode [1/1]:   3%|▎ | 1/31 [01:17<38:30, 77.00s/it, reward=0.239]`: what stands before the bar up to the bracket.
_BAR = re.compile(rb"[^|\r\n]{0,200}?\d{1,3}%\|[^|\r\n]*\| *[\d.,]+[kMGTP]?/[\d.,?]+[kMGTP]? \[[^\[\]\r\n]*\]")
#: A bar below another one is left by moving the cursor up.
_NESTED = b"]\x1b[A"
#: Refreshes of one line that are looked at, the last ones.
MAX_BARS = 256


def is_table(text: bytes) -> bool:
    """Whether a text begins with a box-drawing character: a row of a table, in which bars are somebody's words."""
    return text[:2] in (b"\xe2\x94", b"\xe2\x95")


def bars(line: bytes) -> list[str]:
    """The bars on one physical line, without wrappers and colours. Bars that are nested in another are left out."""
    parts = [part for part in line.split(b"\r") if b"%|" in part and _NESTED not in part]
    found = []
    for part in parts[-MAX_BARS:]:
        text = unwrap(part).text
        if not is_table(text):
            found += [strip_ansi(bar).decode("utf-8", "replace") for bar in _BAR.findall(text)]
    return found
