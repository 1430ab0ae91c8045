"""Where samples go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

EXAMPLE = "http://127.0.0.1:9090/api/v1/write"


class Target(Struct, frozen=True):
    """A receiver. `place`: the labels job and instance that a scrape gives to the series. `window`: seconds before now
    for which it takes samples, None where that is not known. `kept_as`: the name of its position in the store."""

    url: str
    place: Mapping[str, str]
    kept_as: str
    window: float | None = None


class Access(Struct, frozen=True):
    """What a receiver wants to see. ca: certificates that its own may be signed by; certificate: ours, with its key."""

    headers: Mapping[str, str] = {}
    ca: Path | None = None
    certificate: Path | None = None
