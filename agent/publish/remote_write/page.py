"""What `/metrics` shows at a moment, as samples: for a receiver that cannot scrape."""

from __future__ import annotations

import struct

from prometheus_client.parser import text_string_to_metric_families

from rli_agent.publish.remote_write.message import STALE, Sample
from rli_agent.publish.remote_write.series import SeriesTable

_STALE = struct.unpack("<d", struct.pack("<Q", STALE))[0]


class PageSamples:
    """Of one run's page. A series that is no longer there is said to have ended, once."""

    def __init__(self, series: SeriesTable) -> None:
        self._series = series
        self._known: dict[str, bytes | None] = {}
        self._shown: set[bytes] = set()

    def samples(self, text: str, at: int) -> list[Sample]:
        """The page, in Prometheus' text format, at this time in milliseconds."""
        if self._series.renewed() or len(self._known) > 100_000:
            self._known.clear()
        found = []
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, _, value = line.rpartition(" ")
            if name not in self._known:
                self._known[name] = self._read(line)
            series = self._known[name]
            if series is not None:
                found.append(Sample(at, series, float(value)))
        now = {sample.series for sample in found}
        found += [Sample(at, series, _STALE) for series in self._shown - now]
        self._shown = now
        return found

    def ended(self, at: int) -> list[Sample]:
        """All series that were shown end."""
        ended, self._shown = self._shown, set()
        return [Sample(at, series, _STALE) for series in ended]

    def _read(self, line: str) -> bytes | None:
        for family in text_string_to_metric_families(line + "\n"):
            for sample in family.samples:
                return self._series.get(sample.name, tuple(sorted(sample.labels.items())))
        return None
