"""Many literals at once in a block of bytes, by Hyperscan (Vectorscan on ARM)."""

from __future__ import annotations

from collections.abc import Sequence

import hyperscan


class LiteralSearch:
    """Finds literals, of which none is empty. Not to be shared between threads."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._database: hyperscan.Database | None = None
        if literals:
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            if any(b"\0" in literal for literal in literals):  # where the API for literals ends them
                self._database.compile([_escaped(literal) for literal in literals], list(range(len(literals))))
            else:
                self._database.compile(list(literals), list(range(len(literals))), literal=True)

    def ends(self, block: bytes) -> list[tuple[int, int]]:
        """(end, index) of each place where a literal stands, in the order of their ends."""
        hits: list[tuple[int, int]] = []
        if self._database is not None and block:
            keep = hits.append
            self._database.scan(block, lambda index, _start, end, _flags, _context: keep((end, index)))
        return hits

    def held(self, text: bytes) -> frozenset[int]:
        """Indexes of the literals that stand in a text."""
        held: set[int] = set()
        if self._database is not None and text:
            keep = held.add
            self._database.scan(text, lambda index, _start, _end, _flags, _context: keep(index))
        return frozenset(held)


def _escaped(literal: bytes) -> str:
    """The literal as a pattern."""
    return "".join(f"\\x{byte:02x}" for byte in literal)
