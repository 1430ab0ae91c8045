"""One problem, however many lines it takes: a headline, its traceback with wrappers and chained causes, its details.

The grammar of Python tracebacks as CPython, Ray, vLLM, loguru, rich and torchrun print them, line by line.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from rli_agent.events import Level, TimeIs
from rli_agent.parsers.lazy_patterns import lazy_pattern

#: An incident of more lines is taken to be over.
MAX_LINES = 50_000
#: Characters of a message: its first lines, and its last ones, where the exception stands.
MAX_HEAD = 24_576
MAX_TAIL = 8_192
#: So many lines of others may stand between two lines of a traceback, and of an incident that could be over.
PATIENCE = 200
LITTLE_PATIENCE = 40
#: So many lines of the same writer may stand inside a traceback (two threads print at once).
OWN_PATIENCE = 8

TRACEBACK = "Traceback (most recent call last)"
_STARTS = lazy_pattern(r"Traceback \(most recent call last\):?[\s─╮|]*$")
_BARE = lazy_pattern(r"[\W_]*Traceback \(")
_CITED = lazy_pattern(r"\s*>+ ")
#: What stands between two tracebacks of one chain (CPython; torch.multiprocessing).
_CHAINED = lazy_pattern(
    r"[\s|]*(?:During handling of the above exception|The above exception was the direct cause|"
    r"-- Process \d+ terminated with the following error)"
)
_REMOTE = "ray::"  # Ray puts `ray::Actor.method() (pid=1, ip=…)` where CPython says `Traceback …`
_NAME = lazy_pattern(
    r"(?P<name>(?:[A-Za-z_]\w*\.|<locals>\.)*[A-Za-z_]\w*)(?P<of>\([\w., ]*\))?(?P<colon>:(?=\s|$))?(?P<rest>.*)",
    re.DOTALL,
)
_ERROR = lazy_pattern(r"(?:Error|Exception|Interrupt|Exit|Timeout|Warning|Iteration|Died|Expired)$")
_FRAME = lazy_pattern(r'(?P<indent>\s*>?\s*)File "')
_DETAIL = lazy_pattern(
    r'[ \t]{2,}|\t|\s*[\^~]{2,}|[│└╭╰|]|"""\s*$|frame #\d+:|\[Previous line repeated|Exception raised from |'
    r"C\+\+ CapturedTraceback:"
)
#: Python 3.11 and later mark the expression; of tracebacks that Ray hands on these lines stand before the frames.
_MARKS = lazy_pattern(r"\s*[\^~]{2,}\s*")
_GROUP_ENDS = lazy_pattern(r"\s*\+-{20,}\s*$")
_GROUPED = lazy_pattern(r"\s*\|\s+")

#: What the next line of its writer is to an incident.
Verdict = Literal["mine", "stranger", "over"]


def begins_traceback(text: str) -> bool:
    """Whether a traceback begins with this line. One that is quoted, or told in one line, does not."""
    found = _STARTS.search(text)
    if found is None:
        return False
    before = text[: found.start()]
    return before.count('"') % 2 == 0 and not _CITED.match(before)


def is_exception(text: str, lost_indent: bool = False) -> bool:
    """Whether a line is the last of a traceback: `module.Name: message`, or a name alone.

    lost_indent: lines of code may stand at the margin too, so that only what is surely an exception counts.
    """
    found = _NAME.match(text)
    if found is None:
        return False
    name = found["name"]
    last = name.rpartition(".")[2]
    if "." not in name and not last.lstrip("_")[:1].isupper():
        return False
    if found["colon"]:
        return not lost_indent or bool(_ERROR.search(name))
    return not found["of"] and not found["rest"].strip() and (not lost_indent or bool(_ERROR.search(name)))


class Incident(Struct):
    """A problem that is being read. `part` is where in its grammar the next line would stand.

    who: the writer whose lines it takes; mark: what stands in all of them. announces: a traceback may follow the
    headline (a logger wrote it, or it names
    no cause). after: a problem stands shortly before it. consequence: its exception is one that follows from another
    problem. muted: read so that its lines are nobody else's, and not told; harmless: its last exception is not told.
    flat: its lines of code stand at the margin. caused: the line just read is an exception; the last is `exception`.
    """

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
    rank: str | None = None
    announces: bool = True
    after: bool = False
    consequence: bool = False
    muted: bool = False
    harmless: bool = False
    mark: bytes = b""
    part: Literal["headline", "body", "frame", "ended", "wrapped", "chained"] = "headline"
    flat: bool = False
    gap: bool = False
    caused: bool = False
    exception: str = ""
    head: list[str] = []
    tail: list[str] = []
    left_out: int = 0
    size: int = 0
    tail_size: int = 0
    lines: int = 0
    strangers: int = 0
    last_line: int = 0

    def open(self, text: str) -> None:
        """Where in the grammar the headline leaves us."""
        if begins_traceback(text):
            self.part = "body"
        elif _REMOTE in text and is_exception(text):
            self.part = "wrapped"

    @property
    def outside(self) -> bool:
        """Whether no traceback is being read."""
        return self.part in ("headline", "ended", "wrapped")

    @property
    def grave(self) -> bool:
        """Whether others of the job may fall over it."""
        return self.level != "WARNING" or self.kind == "job_preempted"

    def keep(self, text: str, line: int) -> None:
        """Add a line to the message, of which the first and the last lines are kept, and to the count."""
        self.lines += 1
        self.strangers = 0
        self.last_line = line
        text = text[:MAX_TAIL]
        if not self.tail and self.size + len(text) < MAX_HEAD:
            self.head.append(text)
            self.size += len(text) + 1
            return
        self.tail.append(text)
        self.tail_size += len(text) + 1
        while self.tail_size > MAX_TAIL and len(self.tail) > 1:
            self.tail_size -= len(self.tail.pop(0)) + 1
            self.left_out += 1

    @property
    def message(self) -> str:
        """The whole text, without the blank lines around it."""
        gap = [f"[{self.left_out} lines left out]"] if self.left_out else []
        return "\n".join([*self.head, *gap, *self.tail]).strip("\n")

    def passed(self, own: bool, lines: int = 1) -> bool:
        """Lines that are not part of it stand here. Whether it must be over by now."""
        self.strangers += lines
        if self.outside:
            return self.strangers > LITTLE_PATIENCE
        return self.strangers > (OWN_PATIENCE if own else PATIENCE)

    def follows(self, text: str, level: str | None, stamped: bool) -> Verdict:
        """What the writer's next line is; moves on in the grammar when it is part of the incident.

        `level` and `stamped` are of the line's own header: vLLM puts one before every line of a traceback.
        """
        self.caused = False
        if self.lines >= MAX_LINES:
            return "over"
        inside = not self.outside
        if stamped and level != self.headline_level:
            return "stranger" if inside else "over"
        mine = self._mine(text, stamped)
        return "mine" if mine else "stranger" if inside and TRACEBACK not in text else "over"

    def _mine(self, text: str, stamped: bool) -> bool:
        if not text.strip():
            self.gap = True
            return True
        gap, self.gap = self.gap, False
        if TRACEBACK in text:
            return self._another(text, stamped)
        if _CHAINED.match(text):
            self.part = "chained"
            return True
        if self.part == "chained" or (self.part == "headline" and text.startswith(_REMOTE)):
            if text.startswith(_REMOTE):
                self.part = "body"
            return self.part == "body"
        frame = _FRAME.match(text)
        if frame is not None and (frame["indent"] or not self.outside):
            self.flat = self.flat or not frame["indent"]
            self.part = "frame" if self.part != "ended" else "ended"
            return True
        if not self.outside:
            return self._body_line(text)
        if self.part == "wrapped" and _MARKS.fullmatch(text):
            return True
        if self.part == "wrapped" and is_exception(text):
            return self._cause(text)
        return bool(_DETAIL.match(text)) and not stamped and not (gap and text[0] == " ")

    def _another(self, text: str, stamped: bool) -> bool:
        """`Traceback …` again: of this incident inside a chain or a group, or where the headline announced it."""
        if text[0] in " \t|+" and self.part != "headline":
            return True
        if not begins_traceback(text) or self.part in ("ended", "wrapped"):
            return False
        if self.part == "headline":
            if not self.announces or not _BARE.match(text) or (stamped and self.lines > 3):
                return False
        elif self.strangers:
            return False
        self.part = "body"
        return True

    def _body_line(self, text: str) -> bool:
        if _GROUP_ENDS.match(text):
            self.part = "ended"
            return True
        if text[0] in " \t" or _DETAIL.match(text):
            grouped = _GROUPED.match(text)
            self.caused = grouped is not None and is_exception(text[grouped.end() :], lost_indent=True)
            self.part = "body"
            return True
        if is_exception(text, lost_indent=self.flat):
            return self._cause(text)
        code = self.flat and self.part == "frame"
        self.part = "body"
        return code or text.startswith(_REMOTE)

    def _cause(self, text: str) -> bool:
        self.caused = True
        self.exception = text[:400]
        self.part = "wrapped" if _REMOTE in text else "ended"
        return True
