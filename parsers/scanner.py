"""Which lines can matter: one pass for all literals over a block of bytes, before any line is split or decoded.

Measured on 161 MB of mixed log text and 229 literals: 0.1 s of CPU by Hyperscan, 0.3 s by an Aho-Corasick automaton.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from rli_agent.parsers.literal_search import LiteralSearch


class Scanner:
    """Finds the lines that hold at least one of the literals, and which of them a line holds.

    Literals in `idle` select no line, but are told of those that are selected. With `every_line` all lines are
    candidates (some rule has no literal).
    """

    def __init__(self, literals: Sequence[bytes], idle: Set[bytes] = frozenset(), every_line: bool = False) -> None:
        self.literals = tuple(literals)
        self.every_line = every_line
        self._dispatch = LiteralSearch(literals)
        # where a shorter literal stands inside a longer one, it selects the line as well
        wanted = {i for i, literal in enumerate(literals) if literal not in idle}
        self._selecting = [i for i in sorted(wanted) if not wanted & (self.found(literals[i]) - {i})]
        self._select = LiteralSearch([literals[i] for i in self._selecting])

    def candidates(self, block: bytes) -> Iterator[tuple[int, int, int]]:
        """(start, end, literal) of each line that may matter, without its newline; the index of the literal in it that
        ends first."""
        if self.every_line:
            yield from _lines(block)
            return
        end, indexes = -1, self._selecting
        for at, literal in self._select.ends(block):
            if at <= end:
                continue
            begin = block.rfind(b"\n", end + 1, at) + 1 or end + 1
            end = block.find(b"\n", at)
            if end < 0:
                end = len(block)
            yield begin, end, indexes[literal]

    def found(self, line: bytes) -> frozenset[int]:
        """Indexes of the literals that the line holds."""
        return self._dispatch.held(line)


def _lines(block: bytes) -> Iterator[tuple[int, int, int]]:
    start = 0
    while start < len(block):
        end = block.find(b"\n", start)
        if end < 0:
            end = len(block)
        yield start, end, -1
        start = end + 1
