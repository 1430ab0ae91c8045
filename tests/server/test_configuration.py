"""The user's configuration over ours, and how long data are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.server.configure.merge import merged
from rli_agent.server.configure.settings import hours

VALUES: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_merging_keeps_what_only_one_says_and_lets_theirs_win(ours: Any, theirs: Any) -> None:
    both = merged(ours, theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert both.keys() == ours.keys() | theirs.keys()
        assert all(both[k] == merged(ours[k], theirs[k]) for k in ours.keys() & theirs.keys())
        assert all(both[k] == ours.get(k, theirs.get(k)) for k in ours.keys() ^ theirs.keys())
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert both == ours + theirs
    else:
        assert both == theirs


@given(VALUES)
def test_nothing_merged_over_something_changes_nothing(value: dict[str, Any]) -> None:
    if isinstance(value, dict):
        assert merged(value, {}) == value


@pytest.mark.parametrize(("text", "expected"), [("30d", 720), ("12h", 12), ("90m", 1.5), ("2w", 336), ("1y", 8760)])
def test_durations(text: str, expected: float) -> None:
    assert hours(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "3e4d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        hours(text)
