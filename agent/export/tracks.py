"""Slices laid on tracks so that those of one track lie apart, or one inside the other: a viewer of traces draws what
overlaps otherwise wrongly, or not at all."""

from __future__ import annotations

import math
from collections.abc import Hashable

#: Microseconds by which slices may overlap that are meant to follow each other: durations are printed rounded.
SLACK = 1000


class Tracks:
    """Tells the track of each slice of a lane. Slices come by their start, of equal ones the longest first."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, list[_Track]] = {}

    def place(self, lane: Hashable, start: int, end: float) -> tuple[int, int, float]:
        """The slice's track, counted from 0, and its start and end, moved by at most `SLACK` so that they fit.

        end: infinite while it is open.
        """
        tracks = self._lanes.setdefault(lane, [])
        for number, track in enumerate(tracks):
            placed = track.place(start, end)
            if placed is not None:
                return number, *placed
        tracks.append(_Track(start, end))
        return len(tracks) - 1, start, end


class _Track:
    """The ends of the slices that enclose the newest one, the innermost last; and where the newest one begins."""

    def __init__(self, begin: int, end: float) -> None:
        self._begin = begin
        self._ends = [end]

    def place(self, start: int, end: float) -> tuple[int, float] | None:
        """None where the slice does not fit."""
        begin, left = max(start, self._begin), len(self._ends)
        # What has ended, or ends by so little too late that this one may begin there.
        while left and self._ends[left - 1] - start <= SLACK and end > self._ends[left - 1]:
            left -= 1
            begin = max(begin, math.ceil(self._ends[left]))
        if left and end > self._ends[left - 1] + SLACK:
            return None
        end = max(float(begin), min(end, self._ends[left - 1]) if left else end)
        self._begin, self._ends[left:] = begin, [end]
        return begin, end
