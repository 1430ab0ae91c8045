"""The figures that `/metrics` shows of a machine, and who can give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from rli_agent.events import Labels


class Figure(NamedTuple):
    """A value of a common metric (rules/catalogue.yaml), in its unit."""

    name: str
    value: float
    labels: Labels = ()


class Reader(Protocol):
    """Reads a part of the machine."""

    def read(self) -> Iterable[Figure]:
        """What it is now. Rates are those since the last call, and left out of the first. Raises OSError."""
