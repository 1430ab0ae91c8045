"""A dashboard as a picture: its grid of 24 columns, each panel with what its queries gave. Needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from rli_agent.dashboards.preview.asking import Answer

#: Inches of a column and of a row of the grid; pixels of an inch.
COLUMN, ROW, RESOLUTION = 0.75, 0.38, 80
#: Series with a legend; rows of a table, and characters of a cell.
LEGENDS, ROWS, CELL = 6, 9, 28
EMPTY = "no data"


def draw(dashboard: Mapping[str, Any], answers: Callable[[Mapping[str, Any]], list[Answer]], file: Path) -> list[str]:
    """Draw a dashboard into a PNG; returns the titles of the panels that had nothing to show."""
    panels = dashboard["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + 1
    figure = Figure((24 * COLUMN, height * ROW), dpi=RESOLUTION, facecolor="#f4f5f5")
    figure.text(0.01, 1 - 0.6 / height, dashboard["title"], fontsize=13, weight="bold", va="center")
    empty = []
    for panel in panels:
        place = panel["gridPos"]
        x, y, w, h = place["x"] / 24, 1 - (place["y"] + 1 + place["h"]) / height, place["w"] / 24, place["h"] / height
        if panel["type"] == "row":
            figure.text(x + 0.01, y + h / 2, panel["title"], fontsize=11, weight="bold", va="center", color="#555")
            continue
        found = answers(panel)
        edge = 0.9 / height if h * height > 5 else 0.5 / height
        axes = figure.add_axes((x + 0.028, y + edge, max(w - 0.04, 0.01), h - edge - 0.9 / height))
        axes.set_title(panel["title"], fontsize=9, loc="left")
        if not _has_query(panel):
            _word(axes, "asked of Tempo: not drawn", "#999")
        elif not found:
            empty.append(panel["title"])
            _word(axes, EMPTY, "#c4162a")
        else:
            _DRAWN[panel["type"]](axes, found, _unit(panel))
    FigureCanvasAgg(figure).print_png(str(file))
    return empty


def _unit(panel: Mapping[str, Any]) -> str:
    return str(panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short"))


def _has_query(panel: Mapping[str, Any]) -> bool:
    return any(target.get("datasource", {}).get("type") == "prometheus" for target in panel.get("targets", ()))


def _word(axes: Axes, text: str, colour: str, size: float = 10) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=colour, fontsize=size, transform=axes.transAxes)


def _curves(axes: Axes, answers: Sequence[Answer], unit: str) -> None:
    for answer in answers:
        times = [_moment(at) for at, _ in answer.points]
        axes.plot(times, [value for _, value in answer.points], linewidth=1.1, marker=".", markersize=2.5)
    legends = [answer.legend[-CELL:] or "–" for answer in answers[:LEGENDS]]
    axes.legend(legends, fontsize=5.5, loc="best", framealpha=0.5)
    _over_time(axes, unit)


def _moment(at: float) -> float:
    return float(date2num(datetime.fromtimestamp(at)))


def _over_time(axes: Axes, unit: str) -> None:
    locator = AutoDateLocator(maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.3)


def _numbers(axes: Axes, answers: Sequence[Answer], unit: str) -> None:
    many = [f"{shown(answer.points[-1][1], unit)}  {answer.legend[:CELL]}" for answer in answers[:ROWS]]
    _word(axes, shown(answers[0].points[-1][1], unit) if len(answers) == 1 else "\n".join(many), "#1f60c4",
          20 if len(answers) == 1 else 7)  # fmt: skip


def _bars(axes: Axes, answers: Sequence[Answer], unit: str) -> None:
    shown_ones = answers[:ROWS]
    values = [answer.points[-1][1] for answer in shown_ones]
    axes.barh(range(len(values)), values)
    axes.set_yticks(range(len(values)), [answer.legend[:CELL] for answer in shown_ones], fontsize=6)
    axes.xaxis.set_major_formatter(lambda value, _: shown(value, unit))
    axes.tick_params(labelsize=6)


def _table(axes: Axes, answers: Sequence[Answer], unit: str) -> None:
    names = sorted({name for answer in answers for name in answer.labels if name != "__name__"})
    rows = [
        [*(answer.labels.get(name, "")[:CELL] for name in names), shown(answer.points[-1][1], unit)]
        for answer in answers[:ROWS]
    ]
    axes.set_axis_off()
    table = axes.table(rows, colLabels=[*names, "Value"], loc="upper left", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(5.5)
    table.auto_set_column_width(list(range(len(names) + 1)))


def _heat(axes: Axes, answers: Sequence[Answer], unit: str) -> None:
    """Buckets are told as counts below their bound; a row shows what is between two."""
    bounds: dict[float, dict[float, float]] = {}
    for answer in answers:
        below = bounds.setdefault(_bound(answer), {})
        for at, value in answer.points:
            below[at] = below.get(at, 0.0) + value
    times = sorted({at for below in bounds.values() for at in below})
    order = sorted(bounds)
    before, rows = dict.fromkeys(times, 0.0), []
    for bound in order:
        rows.append([max(0.0, bounds[bound].get(at, 0.0) - before[at]) for at in times])
        before = {at: bounds[bound].get(at, before[at]) for at in times}
    if len(times) < 2:
        _word(axes, "one moment only", "#999")
        return
    axes.pcolormesh([_moment(at) for at in times], range(len(order)), rows, shading="nearest", cmap="Oranges")
    _over_time(axes, unit)
    axes.set_yticks(range(len(order)), [f"{bound:g}" for bound in order])


def _bound(answer: Answer) -> float:
    text = answer.labels.get("le") or answer.legend
    try:
        return float(text)
    except ValueError:
        return math.inf


_DRAWN: dict[str, Callable[[Axes, Sequence[Answer], str], None]] = {
    "timeseries": _curves, "stat": _numbers, "table": _table, "bargauge": _bars, "heatmap": _heat,
}  # fmt: skip


def shown(value: float, unit: str) -> str:
    """A value as Grafana would write it, about."""
    if not math.isfinite(value):
        return str(value)
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if abs(value) < 120 else f"{value / 60:.3g} min"
    suffix = unit.removeprefix("suffix: ") if unit.startswith("suffix:") else {"bytes": "B", "Bps": "B/s"}.get(unit, "")
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {letter}{suffix}".strip()
    return f"{value:.3g} {suffix}".strip()
