"""Lines are counted in two ways, by how long they are; both count the same."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from rli_agent.follow.cursor import newlines


@given(st.lists(st.integers(0, 3000) | st.integers(0, 5), max_size=60), st.booleans())
def test_newlines_are_counted_whatever_the_lines_are_like(lengths: list[int], ended: bool) -> None:
    data = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended else b"")
    assert newlines(data) == data.count(b"\n")
