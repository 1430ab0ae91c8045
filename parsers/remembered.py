"""What parsers of records have in common: what they remember, and that most hold nothing back."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from rli_agent.events import Event
from rli_agent.parsers.timestamps import Shift

_Own = TypeVar("_Own", bound="Remembered")


class Remembered:
    """A struct of what must be remembered between two portions of a file: it is kept with the place in the file."""

    __slots__ = ()

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls: type[_Own], data: bytes) -> _Own:
        """Raises msgspec.DecodeError (a ValueError) where the bytes are of another version."""
        return msgspec.msgpack.decode(data, type=cls)


class Timed:
    """A parser of records that carry full times, or none: the end of an old file mends none of them."""

    def settle(self, mtime: float) -> Shift | None:
        """Nothing to mend."""
        del mtime
        return None


class Immediate(Timed):
    """A parser that gives all events of a portion with it."""

    waiting = False

    def flush(self) -> list[Event]:
        """Nothing is held back."""
        return []
