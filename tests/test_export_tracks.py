"""Slices on tracks: those of one track lie apart or one inside the other, and nearly keep their times."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from rli_agent.export.tracks import SLACK, Tracks

Slices = list[tuple[int, int | None]]
NEAR = st.integers(0, 40).map(lambda n: n * SLACK // 4)
SLICES = st.lists(st.tuples(NEAR, st.none() | NEAR), max_size=40).map(
    lambda found: sorted(
        ((start, None if length is None else start + length) for start, length in found),
        key=lambda s: (s[0], s[1] is not None, -(s[1] or 0)),
    )
)


def laid(slices: Slices) -> list[tuple[int, int, float]]:
    tracks = Tracks()
    return [tracks.place("lane", start, math.inf if end is None else end) for start, end in slices]


@given(SLICES)
def test_on_one_track_slices_lie_apart_or_one_inside_the_other(slices: Slices) -> None:
    by_track: dict[int, list[tuple[int, float]]] = {}
    for track, start, end in laid(slices):
        for a, b in by_track.setdefault(track, []):
            assert start >= b or end <= b, (a, b, start, end)
        by_track[track].append((start, end))


@given(SLICES)
def test_a_slice_nearly_keeps_its_times(slices: Slices) -> None:
    for (start, end), (_, begin, stop) in zip(slices, laid(slices), strict=True):
        assert start <= begin <= start + SLACK
        assert begin <= stop
        if end is None:
            assert stop == math.inf
        else:
            assert end - SLACK <= stop <= max(end, begin)


def test_a_step_with_its_phases_is_one_track_and_what_overlaps_is_another() -> None:
    step, rollout, train = (0, 100_000), (0, 60_000), (60_000, 100_400)
    assert [track for track, _, _ in laid([step, rollout, train])] == [0, 0, 0]
    assert [track for track, _, _ in laid([step, rollout, (50_000, 90_000)])] == [0, 0, 1]


def test_lanes_have_tracks_of_their_own() -> None:
    tracks = Tracks()
    assert [tracks.place(lane, 0, 9.0)[0] for lane in ("trainer", "orchestrator")] == [0, 0]
