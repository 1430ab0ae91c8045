"""A thinned curve looks like the whole one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rli_agent.query.thinning import thin

VALUES = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=1, max_size=400)


@given(VALUES, st.integers(1, 40))
def test_extremes_ends_and_gaps_survive_and_there_are_few_points(values: list[float], columns: int) -> None:
    xs = list(range(len(values)))
    thin_x, thin_y = thin(xs, values, columns)
    assert thin_x == sorted(set(thin_x))
    assert len(thin_x) <= 3 * columns + 2
    assert (thin_x[0], thin_x[-1]) == (0, len(values) - 1)
    for x, y in zip(thin_x, thin_y, strict=True):
        value = values[int(x)]
        assert y == value if math.isfinite(value) else y is None
    finite = [v for v in values if math.isfinite(v)]
    assert not finite or {min(finite), max(finite)} <= set(thin_y)
    assert (None in thin_y) == (len(finite) < len(values))


@given(VALUES, st.integers(1, 10), st.integers(0, 400), st.integers(0, 400))
def test_a_window_holds_what_lies_in_it_alone(values: list[float], columns: int, low: int, high: int) -> None:
    thin_x, _ = thin(range(len(values)), values, columns, low, high)
    inside = [x for x in range(len(values)) if low <= x <= high]
    assert set(thin_x) <= set(inside)
    assert thin_x[:1] == inside[:1]
    assert thin_x[-1:] == inside[-1:]
