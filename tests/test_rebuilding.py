"""The laws of times that are reckoned back: they never decrease, keep to known ones, and lie as the durations say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.parsers.rebuilding import Mark, rebuild

marks = st.lists(
    st.tuples(st.none() | st.floats(0, 1e5), st.none() | st.floats(0, 1e3), st.integers(1, 3)), min_size=1, max_size=40
)


@given(marks, st.floats(0, 2e5))
def test_rebuilt_times_never_decrease_and_keep_to_the_known_ones(
    drawn: list[tuple[float | None, float | None, int]], end: float
) -> None:
    lines = list(itertools.accumulate(step for *_, step in drawn))
    known = iter(sorted(t for t, *_ in drawn if t is not None))
    ordered = [(n, None if t is None else next(known), d) for n, (t, d, _) in zip(lines, drawn, strict=True)]
    found = dict(rebuild(reversed(ordered), end))
    assert sorted(found) == [line for line, time, _ in ordered if time is None]
    every = [found[line] if time is None else time for line, time, _ in ordered]
    assert every == sorted(every)
    if ordered[-1][1] is None:
        assert every[-1] == max([end, *(time for _, time, _ in ordered if time is not None)])


@given(marks, st.floats(0, 2e5))
def test_known_times_in_disorder_still_give_times_in_order(
    drawn: list[tuple[float | None, float | None, int]], end: float
) -> None:
    ordered = [(n, t, d) for n, (t, d, _) in enumerate(drawn)]
    found = [time for _, time in sorted(rebuild(reversed(ordered), end))]
    assert found == sorted(found)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_steps_are_laid_out_by_their_durations(steps: list[tuple[int, int, bool]]) -> None:
    """Each step line tells how long the step took; other lines, some with a stamp, stand inside the steps."""
    now, truth = 1000.0, {}
    ordered: list[Mark] = [(0, 1000.0, None)]
    for took, others, stamped in steps:
        for i in range(others):
            inside = now + took * (i + 1) / (others + 1)
            ordered.append((len(ordered), inside if stamped else None, None))
        now += took
        truth[len(ordered)] = now
        ordered.append((len(ordered), None, float(took)))
    found = dict(rebuild(reversed(ordered), now))
    assert {line: found[line] for line in truth} == truth


def test_durations_that_claim_too_much_stop_at_a_known_time() -> None:
    ordered: list[Mark] = [(1, None, 5.0), (2, 100.0, None), (3, None, 30.0), (4, None, 30.0), (5, None, None)]
    assert sorted(rebuild(reversed(ordered), 140.0)) == [(1, 80.0), (3, 110.0), (4, 140.0), (5, 140.0)]
    assert sorted(rebuild(reversed(ordered), 120.0)) == [(1, 70.0), (3, 100.0), (4, 120.0), (5, 120.0)]
    assert sorted(rebuild([(9, None, float("nan")), (8, None, -3.0), (7, None, None)], 5.0)) == [
        (7, 5.0), (8, 5.0), (9, 5.0),
    ]  # fmt: skip


def test_rebuilding_needs_no_more_than_the_marks_between_two_known_times() -> None:
    def endless() -> Iterator[Mark]:
        for line in itertools.count(0, -1):
            yield (line, 1e9 + line if line % 3 == 0 else None, 1.0)

    assert list(itertools.islice(rebuild(endless(), 1e9), 4)) == [
        (-1, 1e9 - 1), (-2, 1e9 - 2), (-4, 1e9 - 4), (-5, 1e9 - 5),
    ]  # fmt: skip
