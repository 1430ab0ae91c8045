"""Figures that are read when somebody asks for them: of most lines of an old log nobody does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from rli_agent.parsers.cutting import value_at

#: What a JSON array of numbers says. Raises msgspec.DecodeError for any other text.
floats = msgspec.json.Decoder(list[float]).decode


class PrintedValues(Sequence[float]):
    """The values of a JSON array of `length` numbers, of which each is one that a float holds."""

    __slots__ = ("_length", "_printed", "_values")

    def __init__(self, printed: str, length: int) -> None:
        self._printed = printed
        self._length = length
        self._values: list[float] | None = None

    def _all(self) -> list[float]:
        if self._values is None:
            self._values = floats(self._printed)
        return self._values

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        if self._values is None and isinstance(index, int) and index >= 0:
            return value_at(self._printed, index)  # the duration of a step is asked for alone
        return self._all()[index]

    def __iter__(self) -> Iterator[float]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | PrintedValues) and self._all() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return self._printed
