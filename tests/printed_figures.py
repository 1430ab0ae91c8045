"""Figures as programs print them, and when two of them are the same."""

from __future__ import annotations

from hypothesis import strategies as st

FIGURES = st.one_of(st.floats(), st.integers(-(2**70), 2**70))


def same(one: object, other: object) -> bool:
    """Equal in value and type; NaN equals NaN."""
    return repr(one) == repr(other)
