"""One problem, however many lines it takes: a headline, its traceback with wrappers and chained causes, its details.

The grammar of Python tracebacks as Ray, vLLM, loguru and torchrun print them, line by line.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from rli_agent.events import Level, TimeIs

MAX_LINES = 2000
MAX_TEXT = 32_768
#: So many lines of other writers may stand between two lines of one incident.
MAX_STRANGERS = 200

TRACEBACK = "Traceback (most recent call last)"
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:\([\w., ]*\))?(?::(?:\s.*)?)?\s*$", re.DOTALL)
_FRAME = re.compile(r'\s*>?\s*File "')
_DETAIL = re.compile(r"(?:[ \t]{2,}|\t|\s*[\^~]{2,}|[│└|]|frame #\d+:|\[Previous line repeated|Exception raised from )")


class Incident(Struct):
    """A problem that is being read. `part` is where in its grammar the next line would stand."""

    who: str
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    level: Level
    kind: str
    rule: str | None
    step: int | None
    count: int
    headline_level: str | None
    block: str | None = None
    part: Literal["headline", "body", "frame", "ended", "wrapped", "chained"] = "headline"
    text: list[str] = []
    size: int = 0
    lines: int = 0
    strangers: int = 0
    last_line: int = 0
    causes: list[str] = []

    def keep(self, text: str, line: int) -> None:
        """Add a line to the message (bounded) and to the count."""
        self.lines += 1
        self.strangers = 0
        self.last_line = line
        if self.size + len(text) <= MAX_TEXT:
            self.text.append(text)
            self.size += len(text) + 1

    def takes(self, text: str, level: str | None, stamped: bool) -> bool:
        """Whether the writer's next line goes on with this incident; moves on in the grammar when it does.

        `level` and `stamped` are of the line's own header: vLLM puts one before every line of a traceback.
        """
        if self.lines >= MAX_LINES or (stamped and level != self.headline_level):
            return False
        if TRACEBACK in text:
            if self.part in ("ended", "wrapped") or (self.part == "headline" and stamped and self.lines > 3):
                return False
            self.part = "body"
            return True
        if not text.strip():
            return not stamped
        if text.startswith(CHAINED):
            self.part = "chained"
            return True
        if self.part == "chained":
            return False
        if _FRAME.match(text):
            if self.part == "headline":
                return text[0].isspace()
            self.part = "frame"
            return True
        if self.part in ("body", "frame"):
            return self._body_line(text)
        if self.part == "wrapped" and _EXCEPTION.match(text):
            self._cause(text)
            return True
        return bool(_DETAIL.match(text)) and not stamped

    def _body_line(self, text: str) -> bool:
        if text[0] in " \t" or _DETAIL.match(text):
            self.part = "body"
            return True
        if _EXCEPTION.match(text):
            self._cause(text)
            return True
        was_frame, self.part = self.part == "frame", "body"
        return was_frame  # the source line of a frame, in a traceback that lost its indentation

    def _cause(self, text: str) -> None:
        self.causes.append(text)
        self.part = "wrapped" if "RayTaskError" in text else "ended"

    @property
    def message(self) -> str:
        return "\n".join(self.text)
