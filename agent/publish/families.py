"""The series that `/metrics` shows: newest values, label sets that stay the same per name, and their text."""

from __future__ import annotations

import math
from collections.abc import Iterable

from loguru import logger

from ..events import Labels
from .naming import RunLabels, clean


class Series:
    """One line of the exposition. `at` and `file` tell where its value came from: a newer one replaces it, and so
    does a later one of the same file. `key` is the framework's own name that feeds it, where one does."""

    __slots__ = ("at", "family", "file", "key", "labels", "prefix", "value")

    def __init__(self, family: Family, labels: Labels) -> None:
        self.family = family
        self.labels = labels
        self.prefix: str | None = None
        self.value = 0.0
        self.at = -math.inf
        self.file = ""
        self.key = ""

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


class Family:
    """All series of one name. Label values are rendered once a series, the body once a change."""

    __slots__ = ("body", "counter", "help", "label_names", "name", "series")

    def __init__(self, name: str, help: str, counter: bool) -> None:
        self.name = name
        self.help = help
        self.counter = counter
        self.label_names: tuple[str, ...] = ("role",)
        self.series: dict[Labels, Series] = {}
        self.body: str | None = None

    def forget_prefixes(self) -> None:
        self.body = None
        for series in self.series.values():
            series.prefix = None

    def head(self, openmetrics: bool) -> str:
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        name = self.name
        if openmetrics:
            text = text.replace('"', r"\"")
            name = name.removesuffix("_total") if self.counter else name
        return f"# HELP {name} {text}\n# TYPE {name} {'counter' if self.counter else 'gauge'}\n"

    def lines(self, run: str) -> str:
        if self.body is None:
            out = []
            for series in self.series.values():
                prefix = series.prefix
                if prefix is None:
                    have = dict(series.labels)
                    names = self.label_names
                    prefix = series.prefix = f"{self.name}{{{run},{pairs((n, have.get(n, '')) for n in names)}}} "
                value = series.value
                # v - v is 0 for finite numbers alone
                out.append(f"{prefix}{value!r}\n" if value - value == 0 else f"{prefix}{figure(value)}\n")
            self.body = "".join(out)
        return self.body


class Table:
    """The families by name, bounded to `limit` series. Not thread-safe."""

    def __init__(self, run: RunLabels, limit: int) -> None:
        self._families: dict[str, Family] = {}
        self._limit = limit
        self._refused: set[int] = set()
        self.count = 0
        self.dropped = 0
        self.relabel(run)

    def relabel(self, run: RunLabels) -> None:
        self.run = pairs((name, clean(getattr(run, name))) for name in run.__struct_fields__)
        for family in self._families.values():
            family.forget_prefixes()

    def series(self, name: str, labels: Labels, help: str, counter: bool = False) -> Series | None:
        """The series, made where it is new. None beyond the limit: counted, and said once."""
        family = self._families.get(name)
        series = family.series.get(labels) if family else None
        if series:
            return series
        if self.count >= self._limit:
            self._refuse(name, labels)
            return None
        if family is None:
            family = self._families[name] = Family(name, help, counter)
        new = {label for label, _ in labels}.difference(family.label_names)
        if new:
            family.label_names = ("role", *sorted(new.union(family.label_names) - {"role"}))
            family.forget_prefixes()
        series = family.series[labels] = Series(family, labels)
        family.body = None
        self.count += 1
        return series

    def remove(self, series: Series) -> None:
        family = series.family
        del family.series[series.labels]
        family.body = None
        self.count -= 1
        if not family.series:
            del self._families[family.name]

    def render(self, openmetrics: bool) -> list[str]:
        run = self.run
        return [text for family in self._families.values() for text in (family.head(openmetrics), family.lines(run))]

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
