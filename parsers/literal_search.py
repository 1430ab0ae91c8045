"""Many literals at once in a block of bytes, by Hyperscan (Vectorscan on ARM)."""

from __future__ import annotations

from collections.abc import Sequence

import hyperscan


class LiteralSearch:
    """Finds literals, of which none is empty. Not to be shared between threads."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._hits: list[tuple[int, int]] = []
        self._database: hyperscan.Database | None = None
        if literals:
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            if any(b"\0" in literal for literal in literals):  # where the API for literals ends them
                self._database.compile([_escaped(literal) for literal in literals], list(range(len(literals))))
            else:
                self._database.compile(list(literals), list(range(len(literals))), literal=True)

    def ends(self, block: bytes) -> list[tuple[int, int]]:
        """(end, index) of each place where a literal stands, in the order of their ends."""
        hits = self._hits = []
        if self._database is not None and block:
            self._database.scan(block, self._hit)
        return hits

    def held(self, text: bytes) -> frozenset[int]:
        """Indexes of the literals that stand in a text."""
        return frozenset([index for _, index in self.ends(text)])

    def _hit(self, index: int, start: int, end: int, flags: int, context: object) -> None:
        del start, flags, context
        self._hits.append((end, index))


def _escaped(literal: bytes) -> str:
    """The literal as a pattern."""
    return "".join(f"\\x{byte:02x}" for byte in literal)
