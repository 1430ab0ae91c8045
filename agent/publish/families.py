"""The series that `/metrics` shows: newest values, label sets that stay the same per name, and their text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

from rli_agent.events import Labels
from rli_agent.journal import logger
from rli_agent.publish.naming import RunLabels, clean
from rli_agent.rollout_statistics import Distribution

MetricType = Literal["gauge", "counter", "histogram"]


class Text(NamedTuple):
    """A family as it is shown: its name, the lines that introduce it, and the series."""

    name: str
    head: str
    lines: str


class Series:
    """One line of the exposition. `at` and `file` tell where its value came from: a newer one replaces it, and so
    does a later one of the same file. `key` is the framework's own name that feeds it, where one does."""

    __slots__ = ("at", "begins", "bounds", "family", "file", "key", "labels", "spread", "value")

    def __init__(self, family: Family, labels: Labels) -> None:
        self.family = family
        self.labels = labels
        self.begins: list[str] | None = None
        self.value = 0.0
        self.at = -math.inf
        self.file = ""
        self.key = ""
        self.spread = Distribution()
        self.bounds: tuple[float, ...] = ()

    def set(self, value: float, at: float = math.inf, file: str = "") -> None:
        if at >= self.at or file == self.file:
            self.at = at
            self.file = file
            if value != self.value:  # always true of NaN
                self.value = value
                self.family.body = None

    def add(self, more: float) -> None:
        if more:
            self.value += more
            self.family.body = None

    def show(self, spread: Distribution) -> None:
        """Of a histogram: all that was observed."""
        self.spread = spread
        self.family.body = None

    def lines(self, run: str) -> str:
        """It as text: one line, or those of a histogram."""
        begins = self.begins
        if begins is None:
            begins = self.begins = self.heads(run)
        if len(begins) == 1:
            value = self.value  # v - v is 0 for finite numbers alone
            return f"{begins[0]}{value!r}\n" if value - value == 0 else f"{begins[0]}{figure(value)}\n"
        return "".join([f"{head}{value!r}\n" for head, value in zip(begins, self.figures(self.spread), strict=True)])

    def heads(self, run: str) -> list[str]:
        """What its lines begin with: one line, or, of a histogram, one a bucket, then sum and count."""
        name, labels = self.family.name, self.family.labels(self, run)
        if self.family.type != "histogram":
            return [f"{name}{{{labels}}} "]
        heads = [f'{name}_bucket{{{labels},le="{figure(bound)}"}} ' for bound in (*self.bounds, math.inf)]
        return heads + ([f"{name}_sum{{{labels}}} ", f"{name}_count{{{labels}}} "] if self._has_sum else [])

    def figures(self, spread: Distribution) -> list[float]:
        """What the lines of a histogram end with."""
        below, figures = 0, []
        for bucket in range(len(self.bounds) + 1):
            below += spread.buckets.get(bucket, 0)
            figures.append(float(below))
        return figures + ([spread.sum, float(below)] if self._has_sum else [])

    @property
    def _has_sum(self) -> bool:
        """Where values may be negative there is no sum (and so no count): OpenMetrics forbids it, since a sum that
        falls looks like a counter that began again at 0."""
        return not self.bounds or self.bounds[0] >= 0


class Family:
    """All series of one name. Label values are rendered once a series, the body once a change."""

    __slots__ = ("body", "help", "introduced", "label_names", "name", "series", "type")

    def __init__(self, name: str, help: str, type: MetricType) -> None:
        self.name = name
        self.help = help
        self.type = type
        self.label_names: tuple[str, ...] = ("role",)
        self.series: dict[Labels, Series] = {}
        self.body: str | None = None
        #: Its head as it was shown last: whether as OpenMetrics, and the text.
        self.introduced: tuple[bool, str] | None = None

    def forget_heads(self) -> None:
        self.body = None
        for series in self.series.values():
            series.begins = None

    def head(self, openmetrics: bool) -> str:
        if self.introduced is None or self.introduced[0] is not openmetrics:
            self.introduced = openmetrics, self._head(openmetrics)
        return self.introduced[1]

    def _head(self, openmetrics: bool) -> str:
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        name = self.name
        if openmetrics:
            text = text.replace('"', r"\"")
            name = name.removesuffix("_total") if self.type == "counter" else name
        return f"# HELP {name} {text}\n# TYPE {name} {self.type}\n"

    def labels(self, series: Series, run: str) -> str:
        have = dict(series.labels)
        return f"{run},{pairs((name, have.get(name, '')) for name in self.label_names)}"

    def lines(self, run: str) -> str:
        if self.body is None:
            texts = [series.lines(run) for series in self.series.values()]
            self.body = texts[0] if len(texts) == 1 else "".join(texts)
        return self.body


class Table:
    """The families by name, bounded to `limit` series. Not thread-safe."""

    def __init__(self, run: RunLabels, limit: int) -> None:
        self._families: dict[str, Family] = {}
        self._limit = limit
        self._refused: set[int] = set()
        self._mixed: set[str] = set()
        self.count = 0
        self.dropped = 0
        self.relabel(run)

    def relabel(self, run: RunLabels) -> None:
        names = [name for name in run.__struct_fields__ if name != "host" or run.host]
        self.run = pairs((name, clean(getattr(run, name))) for name in names)
        for family in self._families.values():
            family.forget_heads()

    def series(
        self, name: str, labels: Labels, help: str, type: MetricType = "gauge", bounds: tuple[float, ...] = ()
    ) -> Series | None:
        """The series, made where it is new. None beyond the limit: counted, and said once; and where the name stands
        for another type. A histogram, with these bounds of its buckets, counts as what it is: a series a line."""
        family = self._families.get(name)
        if family is not None and family.type != type:
            self._mix(name, family.type, type)
            return None
        series = family.series.get(labels) if family else None
        if series:
            return series
        lines = _lines(bounds) if type == "histogram" else 1
        if self.count + lines > self._limit:
            self._refuse(name, labels)
            return None
        if family is None:
            family = self._families[name] = Family(name, help, type)
        new = {label for label, _ in labels}.difference(family.label_names)
        if new:
            family.label_names = ("role", *sorted(new.union(family.label_names) - {"role"}))
            family.forget_heads()
        series = family.series[labels] = Series(family, labels)
        series.bounds = bounds
        family.body = None
        self.count += lines
        return series

    def remove(self, series: Series) -> None:
        family = series.family
        del family.series[series.labels]
        family.body = None
        self.count -= _lines(series.bounds) if family.type == "histogram" else 1
        if not family.series:
            del self._families[family.name]

    def families(self) -> list[Family]:
        """In the order in which they came."""
        return list(self._families.values())

    def render(self, openmetrics: bool) -> list[Text]:
        return [Text(f.name, f.head(openmetrics), f.lines(self.run)) for f in self._families.values()]

    def _mix(self, name: str, there: MetricType, told: MetricType) -> None:
        if name not in self._mixed and len(self._mixed) < 1000:
            self._mixed.add(name)
            logger.warning("{} is a {}, and was also given as a {}: that is not published", name, there, told)

    def _refuse(self, name: str, labels: Labels) -> None:
        if not self._refused:
            logger.warning(
                "the run has more than {} series; what is new beyond that (first {}) is kept in the store but not "
                "published, and counted in rli_agent_dropped_series_total; raise the series limit to see it",
                self._limit, name,
            )  # fmt: skip
        key = hash((name, labels))
        if key not in self._refused:
            self.dropped += 1
            if len(self._refused) < 10 * self._limit + 1000:
                self._refused.add(key)


def _lines(bounds: tuple[float, ...]) -> int:
    """Of a histogram: its buckets, with the last one, its sum and its count."""
    return len(bounds) + 3


def pairs(labels: Iterable[tuple[str, str]]) -> str:
    """`a="x",b="y"` of (name, value) pairs, escaped as both text formats want it."""
    return ",".join(
        '{}="{}"'.format(name, value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\""))
        for name, value in labels
    )


def figure(value: float) -> str:
    """A value in Prometheus's spelling."""
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
