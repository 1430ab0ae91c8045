"""What stands before a rule's literal at the beginning of lines: a file has few of them, so each is unwrapped once."""

from __future__ import annotations

from collections.abc import Callable

from rli_agent.parsers.headers import begins_header
from rli_agent.parsers.wrappers import Origin, Unwrapped

#: Bytes of wrappers, and how many makes of them are remembered.
LONGEST, MOST = 300, 1_000
_UNSEEN = (-1, None)


class Beginnings:
    """Remembers who writes the lines that begin with the same wrappers, and with no header."""

    def __init__(self, unwrap: Callable[[bytes], Unwrapped]) -> None:
        self._unwrap = unwrap
        self._known: dict[bytes, Origin | None] = {}

    def read(self, line: bytes, literal: bytes) -> tuple[int, Origin | None]:
        """Where the text begins, with the literal, and its writer; no writer where that takes a closer look."""
        at = line.find(literal, 0, LONGEST)
        if at < 0:
            return _UNSEEN
        before = line[:at]
        if before not in self._known:
            if len(self._known) >= MOST:
                return _UNSEEN
            self._known[before] = self._learn(before, literal)
        if line.find(b"\x1b", at) >= 0 or line.find(b"x across cluster]", -400) >= 0:
            return _UNSEEN
        return at, self._known[before]

    def _learn(self, before: bytes, literal: bytes) -> Origin | None:
        if begins_header(literal[:1].decode("latin-1")) or literal[:1] == b"{":
            return None
        if before[:1].isspace() or before[:1].isdigit():
            return None  # the number of srun's task is a wrapper only in some files
        unwrapped = self._unwrap(before + literal)
        plain = unwrapped.text == literal and unwrapped.stamp is None and unwrapped.repeated == 1
        return unwrapped.origin if plain else None
