"""Patterns that are compiled when they are first used: most runs meet few of the forms that are known."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Lazy:
    def __init__(self, text: Any, flags: int) -> None:
        self._made_of = text, flags

    def __getattr__(self, name: str) -> Any:
        """Of the first use: from then on the methods are found without it."""
        text, flags = self._made_of
        compiled = re.compile(text, flags)
        for method in ("match", "fullmatch", "search", "finditer", "findall", "sub", "split"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, but for the time at which it takes its milliseconds, and at which it says what is wrong."""
    return cast("re.Pattern[AnyStr]", _Lazy(text, flags))
