"""How long and how much is kept: `30d`, `12h`, `2GB`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


class Keep(NamedTuple):
    """The newest so many days, and at most so many bytes; None: no bound."""

    days: float | None = None
    bytes: int | None = None


def keep(texts: Iterable[str]) -> Keep:
    """An age (h, d, w), a size (MB, GB, TB, MiB …), or one of each. Raises ValueError, which says what is wrong."""
    found = Keep()
    for text in texts:
        form = _FORM.fullmatch(text.strip())
        number, unit = (float(form[1]), form[2]) if form else (0.0, "")
        if unit in _DAYS and found.days is None:
            found = found._replace(days=number * _DAYS[unit])
        elif unit in _BYTES and found.bytes is None:
            found = found._replace(bytes=int(number * _BYTES[unit]))
        elif unit in _DAYS or unit in _BYTES:
            raise ValueError(f"{text!r}: of ages and of sizes one may be given")
        else:
            raise ValueError(f"{text!r} is neither an age like 12h, 30d or 4w nor a size like 500MB or 2GB")
    return found
