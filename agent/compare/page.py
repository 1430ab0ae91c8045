"""The comparison as one HTML file, in the report's shell: nothing in it comes from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timezone

from rli_agent.catalogue import Catalogue
from rli_agent.compare.comparison import Comparison, Metric, Pair, sides
from rli_agent.compare.words import VERDICTS, answer, by_how_much, seconds, setting, title, value, verdict
from rli_agent.report.curves import Chart, Curve, thinned
from rli_agent.report.drawing import chart_svg
from rli_agent.report.markup import Markup, data, el
from rli_agent.report.page import shell

#: Charts, and rows of a table, that are shown; what does not differ comes last.
_CHARTS, _ROWS = 24, 400


def page(c: Comparison, pairs: Sequence[Pair]) -> str:
    """The whole file."""
    common = [m for m in c.metrics if m.common]
    native = sorted((m for m in c.metrics if not m.common), key=lambda m: not m.difference.matters)
    body = [
        el("header", el("p", f"{c.a.name} (A), {c.b.name} (B)", class_="run"), el("h1", answer(c))),
        _section("Both runs", ("", "A", "B"), sides(c)),
        _charts(pairs),
        _section("Common metrics, at equal steps", _METRIC, map(_metric, common)),
        _section("Seconds a step", ("Lane", "State", "A", "B", "", "Difference"), _phases(c)),
        _section(f"Settings: {len(c.settings)} differ", ("Setting", "A", "B"), map(setting, c.settings)),
        _section("The framework's own metrics", _METRIC, map(_metric, native)),
        _section("In one run alone", ("Run", "Metric"), [*(("A", n) for n in c.only_a), *(("B", n) for n in c.only_b)]),
    ]
    return shell(f"{c.a.name} and {c.b.name} compared", body)


_METRIC = ("Metric", "A", "B", "", "Difference", "Steps")


def _metric(m: Metric) -> tuple[str, ...]:
    d = m.difference
    steps = f"{d.first}–{d.last}" if d.steps else "none"
    return title(m), value(m, d.a), value(m, d.b), by_how_much(d), verdict(m), steps


def _phases(c: Comparison) -> Iterable[tuple[str, ...]]:
    for p in c.phases:
        d = p.difference
        yield p.lane, p.state, seconds(d.a), seconds(d.b), by_how_much(d), VERDICTS[d.verdict]


def _section(heading: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup | None:
    told = list(rows)
    if not told:
        return None
    head = el("thead", el("tr", [el("th", name) for name in names]))
    body = el("tbody", [el("tr", [el("td", cell) for cell in row]) for row in told[:_ROWS]])
    more = el("p", f"{len(told) - _ROWS} more are not shown.", class_="note") if len(told) > _ROWS else None
    return el("section", el("h2", heading), el("table", head, body), more)


def _charts(pairs: Sequence[Pair]) -> Markup | None:
    catalogue = Catalogue.load()
    charts = []
    for pair in pairs[:_CHARTS]:
        quantity = catalogue[pair.metric.name]
        curves = [
            Curve({"run": letter}, [(float(step), figures[step]) for step in sorted(figures)], True)
            for letter, figures in (("A", pair.a), ("B", pair.b))
        ]
        chart = Chart(quantity.name, curves, quantity.unit, quantity.help, quantity.healthy, quantity.better)
        if any(math.isfinite(number) for curve in curves for _, number in curve.points):
            charts.append((title(pair.metric), chart))
    if not charts:
        return None
    told = [
        [
            [[at for at, _ in points], [float(f"{y:.6g}") if math.isfinite(y) else None for _, y in points], letter]
            for curve, letter in zip(chart.curves, "AB", strict=True)
            for points in (thinned(curve.points),)
        ]
        for _, chart in charts
    ]
    figures = [_figure(name, chart, place) for place, (name, chart) in enumerate(charts)]
    return el("section", el("h2", "Curves"), el("div", figures, class_="charts"), data("curves", told))


def _figure(name: str, chart: Chart, place: int) -> Markup:
    legend = [el("li", el("i", class_=f"stroke c{number}"), letter) for number, letter in enumerate("AB")]
    return el(
        "figure", el("figcaption", el("b", name)), el("div", chart_svg(chart, timezone.utc), data_chart=place),
        el("ul", legend, class_="legend small"), el("p", chart.help, class_="note"),
    )  # fmt: skip
