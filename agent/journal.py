"""What the agent logs about itself, by loguru: that takes 30 ms to load and set up, which wait for the first record."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from loguru import Logger

_FORMAT = "{time:HH:mm:ss} {level: <7} {message}"
#: Where records go, and from which level on.
_sink: tuple[Callable[[str], None], str] | None = None


class _Late:
    """Stands for loguru's logger until something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_loaded(), name)


logger = cast("Logger", _Late())


def log_to(write: Callable[[str], None], level: str) -> None:
    """Have `write` take what the agent logs about itself, one line a record."""
    global _sink
    _sink = (write, level.upper())
    _loaded.cache_clear()


@cache
def _loaded() -> Logger:
    from loguru import logger as loaded

    if _sink is not None:
        write, level = _sink
        loaded.remove()
        loaded.add(lambda message: write(str(message)), level=level, format=_FORMAT)
    return loaded
