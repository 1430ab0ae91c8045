"""What the agent says about itself: `rli_agent_*`. The pipeline calls the methods; a scrape renders the registry.

What belongs to the process, which may watch several runs, is kept apart from what belongs to a run.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rli_agent import __version__
from rli_agent.publish.families import Text, figure, pairs
from rli_agent.publish.naming import clean

#: Sources of which the lag is shown. A run has thousands of files; those that lag most are the ones to see.
SHOWN_SOURCES = 200


class SelfMetrics:
    """Counters and gauges of the agent at work on one run. All methods may be called from any thread and take
    microseconds: call them once a block or commit, not once a line."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        Gauge("rli_agent_build_info", "Version of the agent", ["version", "python"], registry=registry).labels(
            __version__, platform.python_version()
        ).set(1)
        self._lines = Counter("rli_agent_lines", "Lines read", ["role"], registry=registry)
        self._bytes = Counter("rli_agent_bytes", "Bytes read", ["role"], registry=registry)
        self._read: dict[str, tuple[Counter, Counter]] = {}
        self._events = Counter("rli_agent_events", "Events recorded", ["type"], registry=registry)
        self._parse_errors = Counter(
            "rli_agent_parse_errors",
            "Records that could not be read",
            ["role"],
            registry=registry,
        )
        self._timeouts = Counter(
            "rli_agent_rules_timed_out", "Times a rule's pattern ran into its time limit", ["rule"], registry=registry
        )
        self._commit = Gauge(
            "rli_agent_last_commit_timestamp_seconds", "When events were last stored", registry=registry
        )
        self._queued = Gauge(
            "rli_agent_exporter_queue_depth", "Items that wait to be sent", ["exporter"], registry=registry
        )
        self._failures = Counter("rli_agent_exporter_failures", "Sendings that failed", ["exporter"], registry=registry)
        self._samples = Counter(
            "rli_agent_remote_write_samples", "Samples sent by remote write, refused by the receiver, or left out",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self._series = Gauge("rli_agent_series", "Series published", registry=registry)
        self._collisions = Gauge(
            "rli_agent_name_collisions", "Published names that stand for more than one native key", registry=registry
        )
        self._dropped = Counter("rli_agent_dropped_series", "Series refused beyond the limit", registry=registry)
        self._dropped_before = 0
        self._lags = _Lags()
        registry.register(self._lags)

    def read(self, role: str, lines: int, bytes: int) -> None:
        known = self._read.get(role)
        if known is None:  # there are but a few roles, and to look a label up takes longer than to count
            known = self._read[role] = self._lines.labels(clean(role)), self._bytes.labels(clean(role))
        known[0].inc(lines)
        known[1].inc(bytes)

    def lag(self, file: str, bytes: int, seconds: float) -> None:
        """How far the agent is behind the end of `file`, and how old the first unread byte is (0 when caught up)."""
        self._lags.put(clean(file), bytes, seconds)

    def parse_errors(self, role: str, count: int = 1) -> None:
        self._parse_errors.labels(clean(role)).inc(count)

    def rule_timed_out(self, rule: str, times: int = 1) -> None:
        self._timeouts.labels(clean(rule)).inc(times)

    def recorded(self, type: str, count: int) -> None:
        """`type` as in printed events: metric, state, problem, rollouts, fact."""
        if count:
            self._events.labels(type).inc(count)

    def committed(self, at: float) -> None:
        self._commit.set(at)

    def exporter_queued(self, exporter: str, depth: int) -> None:
        self._queued.labels(exporter).set(depth)

    def exporter_failed(self, exporter: str, count: int = 1) -> None:
        self._failures.labels(exporter).inc(count)

    def remote_written(self, outcome: str, count: int) -> None:
        """`outcome`: sent, refused (for good) or left_out (outside of what the receiver takes)."""
        self._samples.labels(outcome).inc(count)

    def published(self, series: int, dropped: int, collisions: int) -> None:
        """State of the exposition; `dropped` is the total so far."""
        self._series.set(series)
        self._collisions.set(collisions)
        self._dropped.inc(dropped - self._dropped_before)
        self._dropped_before = dropped

    def render(self, run: str, openmetrics: bool) -> list[Text]:
        """`run` is the rendered label pairs of the run, which these series carry too."""
        return _rendered(self.registry, run, openmetrics)


_PROCESS = CollectorRegistry()
ProcessCollector(namespace="rli_agent", registry=_PROCESS)


def of_process(run: str, openmetrics: bool) -> list[Text]:
    """CPU, memory and files of this process; `run` as above, empty where it watches several."""
    return _rendered(_PROCESS, run, openmetrics)


def _rendered(registry: CollectorRegistry, run: str, openmetrics: bool) -> list[Text]:
    out = []
    for metric in registry.collect():
        counter = metric.type == "counter"
        name = metric.name + ("_total" if counter and not openmetrics else "")
        lines = [
            f"{s.name}{_braced(','.join(filter(None, (run, pairs(sorted(s.labels.items()))))))} {figure(s.value)}\n"
            for s in metric.samples
            if not s.name.endswith("_created")
        ]
        out.append(Text(name, f"# HELP {name} {metric.documentation}\n# TYPE {name} {metric.type}\n", "".join(lines)))
    return out


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


class _Lags(Collector):
    def __init__(self) -> None:
        self._by_file: dict[str, tuple[int, float]] = {}

    def put(self, file: str, bytes: int, seconds: float) -> None:
        lags = self._by_file
        lags.pop(file, None)
        lags[file] = (bytes, seconds)
        if len(lags) > SHOWN_SOURCES:
            del lags[min(lags, key=lags.__getitem__)]

    def collect(self) -> Iterable[Metric]:
        lags = dict(self._by_file)
        in_bytes = GaugeMetricFamily("rli_agent_lag_bytes", "Bytes of a file not yet read", labels=["source"])
        in_seconds = GaugeMetricFamily("rli_agent_lag_seconds", "Age of a file's unread text", labels=["source"])
        for file, (size, seconds) in lags.items():
            in_bytes.add_metric([file], size)
            in_seconds.add_metric([file], seconds)
        return in_bytes, in_seconds
