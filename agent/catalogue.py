"""The common metrics: what they are called, in which unit, and which way is better. `rules/catalogue.yaml`, typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from rli_agent.parsers.typed_yaml import TypedYamlError, read_typed
from rli_agent.shipped import shipped

Unit = Literal[
    "none", "seconds", "bytes", "tokens", "tokens_per_second", "steps", "ratio", "nats", "watts", "celsius"
]  # fmt: skip

#: Units that texts print → what their figures are multiplied by to get the base unit. A unit not named here is a base
#: unit already. GB is taken at its word (10⁹); frameworks that mean 2³⁰ bytes say GiB in their pack.
SCALES = {
    "percent": 1e-2, "%": 1e-2,
    "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}  # fmt: skip

_NAME = re.compile(r"rl_[a-z0-9]+(_[a-z0-9]+)*")


class CatalogueError(Exception):
    """A catalogue that cannot be used. str() says where, what, and the mend."""


class Quantity(Struct, frozen=True, forbid_unknown_fields=True):
    """A common metric. `unit` is its base unit. `healthy` is a published range (an end may be open), None where only
    the run's own history can tell. `labels` are those beyond the run's own and `role`. `scale` says what a reader of
    the number must know."""

    name: str
    help: str
    unit: Unit
    better: Literal["up", "down", "neither"]
    healthy: tuple[float | None, float | None] | None
    labels: tuple[
        Literal[
            "environment", "engine", "state", "stat", "lane", "rank", "kind", "level", "detector", "severity",
            "gpu", "process",
        ], ...
    ] = ()  # fmt: skip
    scale: str = ""
    type: Literal["gauge", "counter", "histogram"] = "gauge"


class Catalogue:
    """The common metrics by name."""

    def __init__(self, quantities: list[Quantity], origin: str = "catalogue") -> None:
        """Raises CatalogueError for a name that is not legal, stands twice or is a counter without `_total`, and for a
        range that is upside down."""
        self._by_name: dict[str, Quantity] = {}
        for quantity in quantities:
            name = quantity.name
            if not _NAME.fullmatch(name):
                raise CatalogueError(f"{origin}: `{name}` is not allowed; use rl_ and lower-case words joined by `_`")
            if name in self._by_name:
                raise CatalogueError(f"{origin}: `{name}` is defined twice; keep one of them")
            if (quantity.type == "counter") != name.endswith("_total"):
                raise CatalogueError(f"{origin}: `{name}`: counters, and only they, end in `_total`")
            low, high = quantity.healthy or (None, None)
            if low is not None and high is not None and low > high:
                raise CatalogueError(f"{origin}: `{name}`: healthy is [low, high], and {low} is above {high}")
            self._by_name[name] = quantity

    @classmethod
    def load(cls, path: Path | None = None) -> Catalogue:
        """The catalogue in `path`, or the packaged one. Raises CatalogueError."""
        if path is None:
            return _packaged()
        try:
            listing = read_typed(path.read_text(encoding="utf-8"), str(path), _Listing).value
        except OSError as e:
            raise CatalogueError(f"{path}: cannot be read: {e.strerror or e}; check the path, or reinstall") from None
        except UnicodeDecodeError as e:
            raise CatalogueError(f"{path}:1:1: not UTF-8 text (byte {e.start})") from None
        except TypedYamlError as e:
            raise CatalogueError(str(e)) from None
        return cls(listing.metrics, str(path))

    def get(self, name: str) -> Quantity | None:
        return self._by_name.get(name)

    def __getitem__(self, name: str) -> Quantity:
        """Raises KeyError for a name that is not in the catalogue."""
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Quantity]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


class _Listing(Struct, forbid_unknown_fields=True):
    metrics: list[Quantity]


@lru_cache(maxsize=1)
def _packaged() -> Catalogue:
    return Catalogue(shipped("catalogue.yaml", _Listing).metrics, "rli_agent/rules/catalogue.yaml")


def base_factor(unit: str | None) -> float:
    """What a figure printed in `unit` is multiplied by to stand in its base unit."""
    return SCALES.get(unit, 1.0) if unit else 1.0
