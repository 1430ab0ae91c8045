"""How a question is drawn: panels with our defaults. Units, thresholds and descriptions come from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from rli_agent.catalogue import Catalogue, Quantity
from rli_agent.dashboards.variables import PROMETHEUS, RUNS

#: Grafana's names of the catalogue's units.
UNITS = {
    "none": "short",
    "seconds": "s",
    "bytes": "bytes",
    "tokens": "short",
    "tokens_per_second": "suffix: tok/s",
    "steps": "short",
    "ratio": "percentunit",
    "nats": "short",
    "watts": "watt",
    "celsius": "celsius",
}
#: Columns of a row: 24. Rows of a curve.
WIDE, HALF, THIRD, QUARTER = 24, 12, 8, 6
CURVE, NUMBER = 8, 4

_CATALOGUE = Catalogue.load()
_Panel = TypeVar("_Panel", timeseries.Panel, stat.Panel, bargauge.Panel, table.Panel, heatmap.Panel)


def query(expr: str, legend: str = "", *, ref: str = "A") -> prometheus.Dataquery:
    """A query over the time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().ref_id(ref).datasource(PROMETHEUS)


def newest(expr: str, legend: str = "", *, ref: str = "A") -> prometheus.Dataquery:
    """A query for the values of this moment."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).instant().ref_id(ref).datasource(PROMETHEUS)


def _framed(panel: _Panel, title: str, about: str, width: int, height: int) -> _Panel:
    return panel.title(title).description(about).datasource(PROMETHEUS).span(width).height(height)


def curve(
    title: str, *queries: prometheus.Dataquery, unit: str = "short", about: str = "", width: int = THIRD
) -> timeseries.Panel:
    """Values over time."""
    panel = (
        _framed(timeseries.Panel(), title, about, width, CURVE)
        .unit(unit)
        .line_width(1.5)
        .fill_opacity(5)
        .show_points(kinds.VisibilityMode.AUTO)
        .span_nulls(True)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    for each in queries:
        panel.with_target(each)
    return panel


def common_curve(
    title: str, *names: str, legend: str = "", by: Sequence[str] = (), more: str = "", width: int = THIRD
) -> timeseries.Panel:
    """Common metrics of one unit over time, in one panel. `by`: labels that tell their series apart besides the run;
    `legend` names a series behind its run and its metric; `more` narrows the series."""
    first = _CATALOGUE[names[0]]
    queries = []
    for place, name in enumerate(names):
        word = "" if len(names) == 1 else name.removeprefix("rl_").replace("_", " ")
        expr = f"max by ({', '.join(('run', *by))}) ({name}{{{', '.join(filter(None, (RUNS, more)))}}})"
        queries.append(query(expr, " ".join(filter(None, ("{{run}}", word, legend))), ref=chr(ord("A") + place)))
    about = " ".join(_about(_CATALOGUE[name]) for name in names)
    return _with_range(curve(title, *queries, unit=UNITS[first.unit], about=about, width=width), first)


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """The same, stacked."""
    normal = common.StackingConfig().mode(kinds.StackingMode.NORMAL)
    return panel.stacking(normal).fill_opacity(60).draw_style(kinds.GraphDrawStyle.BARS).line_width(0)


def number(
    title: str,
    expr: str,
    *,
    unit: str = "short",
    about: str = "",
    legend: str = "{{run}}",
    steps: Sequence[tuple[float | None, str]] = (),
    width: int = QUARTER,
) -> stat.Panel:
    """The value of this moment, one a run. `steps`: from which value on it has which colour."""
    panel = (
        _framed(stat.Panel(), title, about, width, NUMBER).unit(unit).no_value("–").with_target(newest(expr, legend))
    )
    return panel.thresholds(_steps(steps)) if steps else panel


def bars(
    title: str,
    expr: str,
    *,
    legend: str,
    unit: str = "short",
    about: str = "",
    width: int = HALF,
    steps: Sequence[tuple[float | None, str]] = (),
) -> bargauge.Panel:
    """The values of this moment beside each other."""
    panel = (
        _framed(bargauge.Panel(), title, about, width, CURVE)
        .unit(unit)
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .with_target(newest(expr, legend))
    )
    return panel.thresholds(_steps(steps)) if steps else panel


def listing(
    title: str,
    expr: str,
    columns: Sequence[tuple[str, str]],
    *,
    value: str = "Value",
    unit: str = "short",
    about: str = "",
    width: int = HALF,
) -> table.Panel:
    """The series of this moment as rows. `columns`: (label, heading) of those that are shown; `value`: the heading of
    the value."""
    shown = dict(columns)
    order = {label: place for place, label in enumerate([*shown, "Value"])}
    return (
        _framed(table.Panel(), title, about, width, CURVE)
        .with_target(newest(expr).format(PromQueryFormat.TABLE))
        .with_transformation(
            DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*shown, "Value"]}})
        )
        .with_transformation(
            DataTransformerConfig(
                id_val="organize", options={"indexByName": order, "renameByName": {**shown, "Value": value}}
            )
        )
        .override_by_name(value, [DynamicConfigValue(id_val="unit", value=unit)])
    )


def heat(
    title: str, name: str, *, unit: str = "short", about: str = "", more: str = "", width: int = HALF
) -> heatmap.Panel:
    """How a histogram's values are spread over time."""
    chosen = ", ".join(filter(None, (RUNS, more)))
    expr = f"sum by (le) (increase({name}_bucket{{{chosen}}}[$__rate_interval]))"
    return (
        _framed(heatmap.Panel(), title, about, width, CURVE + 2)
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .with_target(query(expr, "{{le}}").format(PromQueryFormat.HEATMAP))
    )


def _steps(steps: Sequence[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def _with_range(panel: timeseries.Panel, quantity: Quantity) -> timeseries.Panel:
    """The range that a published rule calls healthy, drawn into the panel."""
    if quantity.healthy is None:
        return panel
    low, high = quantity.healthy
    steps: list[tuple[float | None, str]] = [(None, "transparent" if low is None else "red")]
    if low is not None:
        steps.append((low, "transparent"))
    if high is not None:
        steps.append((high, "red"))
    style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.AREA)
    palette = dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)
    return panel.thresholds(_steps(steps)).thresholds_style(style).color_scheme(palette)


def _about(quantity: Quantity) -> str:
    better = {"up": "More is better.", "down": "Less is better.", "neither": ""}[quantity.better]
    parts = (f"{quantity.help} (`{quantity.name}`).", f"{quantity.scale}." if quantity.scale else "", better)
    return " ".join(filter(None, parts))
