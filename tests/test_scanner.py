"""Laws of the scan: what it finds is what a search for each literal finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rli_agent.parsers.literal_search import LiteralSearch
from rli_agent.parsers.scanner import Scanner

WORDS = st.text("ab\x00é", min_size=1, max_size=4).map(str.encode)
LITERALS = st.lists(WORDS, unique=True, max_size=8)
TEXTS = st.text("ab\x00é\n", max_size=200).map(str.encode)


@given(LITERALS, TEXTS)
def test_every_place_of_every_literal_is_found(literals: list[bytes], text: bytes) -> None:
    there = {
        (at + len(literal), i)
        for i, literal in enumerate(literals)
        for at in range(len(text))
        if text.startswith(literal, at)
    }
    found = LiteralSearch(literals).ends(text)
    assert sorted(found) == sorted(there)
    assert [end for end, _ in found] == sorted(end for end, _ in found)


@given(LITERALS, TEXTS, st.data())
def test_candidates_are_the_lines_that_hold_a_literal(literals: list[bytes], text: bytes, data: st.DataObject) -> None:
    idle = data.draw(st.sets(st.sampled_from(literals))) if literals else set()
    wanted = set(literals) - idle
    lines, start = [], 0
    for line in text.split(b"\n"):
        if any(literal in line for literal in wanted):
            lines.append((start, start + len(line)))
        start += len(line) + 1
    scanner = Scanner(literals, idle)
    candidates = list(scanner.candidates(text))
    assert [(start, end) for start, end, _ in candidates] == lines
    for start, end, literal in candidates:
        assert literals[literal] in text[start:end]
        assert scanner.found(text[start:end]) == {i for i, word in enumerate(literals) if word in text[start:end]}
