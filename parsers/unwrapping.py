"""A line without what stands before its text: the prefix of what captured it, wrappers, the framework's own tag."""

from __future__ import annotations

from rli_agent.parsers.captures import PREFIXES, capture
from rli_agent.parsers.compiled import PATTERN_TIMEOUT, RuleSet
from rli_agent.parsers.headers import read_header
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.wrappers import Unwrapped, unwrap

#: Bytes from the beginning of a file within which a prefix that all lines bear shows, and those that are looked at
#: together of what was read last and of what comes: a file that is being followed comes in a line or two at a time, and
#: is looked at anew where that share of it is new, or all that is looked at.
CAPTURE_SHOWS = 1 << 20
CAPTURE_SEEN = 1 << 13
CAPTURE_ANEW = 4


#: What a task's number, or what may stand before it, begins with.
_TASK_BEGINS = frozenset([bytes([byte]) for byte in b" [0123456789"])


class Unwrapping:
    """Takes lines of one file out of their wrappers. What captured the file is in `state`, once it is known."""

    def __init__(self, rules: RuleSet, state: ParserState) -> None:
        self._rules = rules
        self._state = state
        self._beginning = b""
        self._read = self._looked = 0  # bytes by now, and when what captured them was looked for
        self._newest: tuple[bytes, Unwrapped] | None = None  # a line is asked for twice

    def learn(self, data: bytes, offset: int) -> None:
        """See from the file's beginning what captured it."""
        if self._state.capture is not None or offset >= CAPTURE_SHOWS:
            return
        self._beginning = self._beginning[-CAPTURE_SEEN:] + data[:CAPTURE_SEEN]
        self._read += len(data)
        shown = offset + len(data) >= CAPTURE_SHOWS
        if not shown and self._read - self._looked < min(CAPTURE_SEEN, self._read // CAPTURE_ANEW):
            return
        self._looked = self._read
        self._state.capture = capture(self._beginning, _telling)
        if self._state.capture is not None or shown:
            self._beginning = b""

    def text_of(self, raw: bytes) -> Unwrapped:
        """The line's text, who wrote it, and when it was captured."""
        if self._newest is None or self._newest[0] is not raw:
            self._newest = raw, self._untagged(raw)
        return self._newest[1]

    def _untagged(self, raw: bytes) -> Unwrapped:
        unwrapped = self._uncaptured(raw)
        for tag in self._rules.tags:
            try:
                found = tag.match(unwrapped.text[:80].decode("utf-8", "replace"), timeout=PATTERN_TIMEOUT)
            except TimeoutError:
                continue
            if found is not None:
                return unwrapped._replace(text=unwrapped.text[len(found[0].encode()) :])
        return unwrapped

    def _uncaptured(self, raw: bytes) -> Unwrapped:
        """A line without its wrappers. That the tasks of srun are numbered is seen at the first line that would make
        no sense with its number."""
        may_be = self._state.capture is None and raw[:1] in _TASK_BEGINS
        found = PREFIXES["task"].match(raw) if may_be else None
        if found is not None and _telling(raw[found.end() :]):
            self._state.capture = "task"
        return unwrap(raw, self._state.capture)


def _telling(raw: bytes) -> bool:
    """Whether a text begins as only a program's own line does: with a wrapper, a header, a traceback or a dict."""
    unwrapped = unwrap(raw[:400])
    text = unwrapped.text[:200].decode("utf-8", "replace")
    return bool(unwrapped.origin.who) or text.startswith(("{'", "Traceback (most ")) or read_header(text).start > 0
