"""The series that are sent: names and labels as a message has them, bounded in number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import asdict

from rli_agent.events import Labels
from rli_agent.journal import logger
from rli_agent.publish.naming import RunLabels, clean
from rli_agent.publish.remote_write.message import series_of


class SeriesTable:
    """`run`: the labels of the run. `place`: what a scrape adds to them (job, instance). Beyond `limit` series new ones
    are refused, which is said once."""

    def __init__(self, run: Callable[[], RunLabels], place: Mapping[str, str], limit: int = 20_000) -> None:
        self._run = run
        self._place = place
        self._limit = limit
        self._common: dict[str, str] | None = None
        self._known: dict[tuple[str, Labels], bytes] = {}
        self._refused = False

    def renewed(self) -> bool:
        """Whether what all series carry has changed since the last call, so that no series holds any more."""
        run = {name: clean(value) for name, value in asdict(self._run()).items()}
        common = {**self._place, **run}
        if common == self._common:
            return False
        self._common = common
        self._known.clear()
        return True

    def get(self, name: str, labels: Labels) -> bytes | None:
        """The series, with what all carry; None beyond the limit."""
        found = self._known.get((name, labels))
        if found is None:
            if len(self._known) >= self._limit:
                if not self._refused:
                    self._refused = True
                    logger.warning("remote write: more than {} series: what is new beyond is not sent", self._limit)
                return None
            merged = {**(self._common or {}), **dict(labels)}
            found = self._known[name, labels] = series_of(name, tuple(merged.items()))
        return found
