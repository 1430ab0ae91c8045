"""How far a receiver has what the store holds."""

from __future__ import annotations

from msgspec import Struct


class Cursor(Struct, frozen=True):
    """All rows up to these ids of the tables `lines`, `interval_rows` and `rollout_rows`."""

    lines: int = 0
    intervals: int = 0
    rollouts: int = 0


class Position(Struct, frozen=True):
    """All rows up to `reached`, but of the sources in `behind`, whose times were not known yet: those only so far."""

    reached: Cursor = Cursor()
    behind: dict[int, Cursor] = {}
