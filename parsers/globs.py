"""Path globs of rule packs: they match the tail of a path, so that it does not matter where a run is entered.

`logs/*.log` fits `/data/run7/logs/trainer.log`. `*` and `?` stay within a name, `[…]` is a set of characters, `**` is
any number of directories (as the last part: anything below).
"""

from __future__ import annotations

import re
from functools import cached_property

#: Finds the first part of a glob that is no plain text.
WILD = re.compile(r"[*?\[\]]")


class Glob:
    """One glob. Paths are absolute or relative, with `/` between the parts."""

    def __init__(self, text: str) -> None:
        while text.startswith("**/"):
            text = text[3:]
        self.text = text
        self._end = WILD.split(text)[-1]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?:^|/)(?P<tail>{translate(self.text)})\Z", re.DOTALL)

    def fits(self, path: str) -> bool:
        return path.endswith(self._end) and self._pattern.search(path) is not None

    def base(self, path: str) -> str | None:
        """The directory (with its closing slash) from which the glob matches the path; None where it does not."""
        if not path.endswith(self._end):
            return None
        match = self._pattern.search(path)
        return path[: match.start("tail")] if match else None


def translate(text: str) -> str:
    """A glob as a regular expression for a whole relative path."""
    parts = text.split("/")
    out = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if part == "**":
            out.append(".+" if last else "(?:[^/]+/)*")
        else:
            out.append(_name(part) + ("" if last else "/"))
    return "".join(out)


def _name(part: str) -> str:
    out = []
    i = 0
    while i < len(part):
        c = part[i]
        i += 1
        if c == "*":
            out.append("[^/]*")
        elif c == "?":
            out.append("[^/]")
        elif c == "[" and (end := part.find("]", i + 1)) > 0:
            inside = part[i:end].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^").replace("&&", "\\&\\&")
            out.append("[" + ("^" + inside[1:] if inside.startswith("!") else inside) + "]")
            i = end + 1
        else:
            out.append(re.escape(c))
    return "".join(out)
