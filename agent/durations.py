"""Durations as people write them."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """A duration like `30s`, `5m`, `4h` or `2d`, in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if found is None:
        raise ValueError(f"`{text}` is not a duration; write 30s, 5m, 4h or 2d")
    return float(found[1]) * _UNITS[found[2]]
