"""The pictures of a report as SVG: drawn here, so that they are there without any script, and on paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import tzinfo

from rli_agent.life.wording import spoken
from rli_agent.query.marks import Mark
from rli_agent.report import scales
from rli_agent.report.curves import Chart, Point, thinned
from rli_agent.report.markup import Markup, el, joined
from rli_agent.report.timeline import Span, Timeline

#: The timeline's size: its plot lies between LEFT and WIDTH.
WIDTH, LEFT, ROW, GAP, TOP, BOTTOM = 1160, 132, 20, 9, 26, 34
#: Spans narrower than this share a column of the row, each in proportion.
NARROW = 1.5
#: A chart's size and margins.
CHART = (400, 150)
_LEFT, _RIGHT, _ABOVE, _BELOW = 50, 14, 8, 20
#: A heat map's row, and where its cells begin and end.
HEAT_ROW, HEAT_LEFT, HEAT_RIGHT = 19, 190, 1090
LEVELS = 10


def timeline_svg(timeline: Timeline, zone: tzinfo, classes: dict[str, str]) -> Markup:
    """The whole run. classes: of each state."""
    scale = (WIDTH - LEFT) / timeline.length
    paths: dict[str, list[str]] = {}
    labels: list[Markup] = []
    y = TOP
    for lane in timeline.lanes:
        labels.append(
            el("text", lane.name[:20], x=LEFT - 8, y=y + len(lane.rows) * ROW / 2 + 4, text_anchor="end", class_="lane")
        )
        for row in lane.rows:
            _draw_row(row, timeline, scale, y, paths)
            y += ROW
        y += GAP
    height = y - GAP + BOTTOM
    axis: list[Markup] = []
    last = 0.0
    for at, text in scales.clock_ticks(timeline.start, timeline.end, zone, 9, timeline.length):
        x = round(LEFT + timeline.place(at) * scale, 1)
        if x - last < 45 or x > WIDTH - 18 or any(a < at < b for a, b in timeline.breaks):
            continue
        last = x
        axis.append(el("line", x1=x, x2=x, y1=TOP - 4, y2=height - BOTTOM + 4, class_="grid"))
        axis.append(el("text", text, x=x, y=height - BOTTOM + 17, text_anchor="middle"))
    for a, b in timeline.breaks:
        x, wide = LEFT + timeline.place(a) * scale, (timeline.place(b) - timeline.place(a)) * scale
        told = el("title", f"no state for {spoken(b - a)}")
        axis.append(el("path", told, d=_box(x, TOP - 4, wide, height - BOTTOM - TOP + 8), class_="break"))
    shapes = [
        el("path", d="".join(parts), class_=f"{classes.get(state, 'o0')}{' open' if end else ''}")
        for key, parts in paths.items()
        for state, _, end in (key.partition("\0"),)
    ]
    marks = [
        el("path", el("title", mark_title(mark)), d=_MARKS[mark.kind].format(x=round(x, 1)), class_=f"mark {mark.kind}")
        for mark in timeline.marks
        for x in (LEFT + timeline.place(mark.time) * scale,)
    ]
    return el(
        "svg", el("g", axis, class_="axis"), el("g", labels), el("g", shapes, class_="spans"),
        el("g", marks, class_="marks"), viewBox=f"0 0 {WIDTH} {height}", class_="timeline", role="img",
        aria_label="states of the run's lanes over time", preserveAspectRatio="xMinYMin meet",
    )  # fmt: skip


def mark_title(mark: Mark) -> str:
    """What a mark stands for."""
    return f"{mark.title} ({mark.count} in all)" if mark.count > 1 else mark.title


#: A mark of each kind, with its point at the top of the first row.
_MARKS = {
    "problem": "M{x} 21l-5 -9h10z",
    "alert": "M{x} 21l-4.5 -5.5l4.5 -5.5l4.5 5.5z",
    "checkpoint": "M{x} 21m-3 -3a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "attempt": "M{x} 21m-1 3h2v-20h-2z",
}


def _draw_row(row: Sequence[Span], timeline: Timeline, scale: float, y: int, paths: dict[str, list[str]]) -> None:
    columns: dict[int, dict[str, float]] = {}
    for span in row:
        left = LEFT + timeline.place(span.start) * scale
        width = LEFT + timeline.place(timeline.end if span.end is None else span.end) * scale - left
        if width >= NARROW or span.end is None:
            key = span.state + ("\0open" if span.end is None else "")
            paths.setdefault(key, []).append(_box(left, y + 1, max(width, 2.0), ROW - 2))
        else:
            column = columns.setdefault(int(left + width / 2), {})
            column[span.state] = column.get(span.state, 0.0) + width
    for x, parts in columns.items():
        total, at = sum(parts.values()) or 1.0, y + 1.0
        for state, width in sorted(parts.items()):
            high = (ROW - 2) * width / total
            paths.setdefault(state, []).append(_box(x, at, 1, high))
            at += high


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.5g} {y:.4g}h{width:.4g}v{height:.3g}h-{width:.4g}z"


def chart_svg(chart: Chart, zone: tzinfo) -> Markup:
    """One metric's curves, the healthy range shaded."""
    width, height = CHART
    known = [thinned(curve.points) for curve in chart.curves]
    finite = [value for points in known for _, value in points if math.isfinite(value)]
    low, high, logarithmic = scales.value_range(finite)
    first = min(points[0][0] for points in known if points)
    last = max(points[-1][0] for points in known if points)

    def x(at: float) -> float:
        return round(_LEFT + (at - first) / ((last - first) or 1.0) * (width - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        at = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return round(height - _BELOW - at * (height - _ABOVE - _BELOW), 1)

    parts: list[Markup | None] = [_healthy(chart, low, high, y)]
    for value in scales.powers(low, high) if logarithmic else scales.ticks(low, high, 4):
        parts.append(el("line", x1=_LEFT, x2=width - _RIGHT, y1=y(value), y2=y(value), class_="grid"))
        parts.append(el("text", scales.short(value), x=_LEFT - 5, y=y(value) + 3.5, text_anchor="end"))
    if chart.by_step:
        labels = [(at, f"{at:.0f}") for at in scales.ticks(first, last, 5) if at == int(at)]
    else:
        labels = scales.clock_ticks(first, last, zone, 4)
    parts += [el("text", text, x=x(at), y=height - 6, text_anchor="middle") for at, text in labels]
    for number, points in enumerate(known):
        parts.append(el("path", d=_line(points, x, y), class_=f"line c{number}"))
        alone = "".join(f"M{x(at)} {y(value)}h0" for at, value in _alone(points))
        parts.append(el("path", d=alone, class_=f"line dot c{number}") if alone else None)
        parts += [
            el("path", el("title", f"not a number at {at:.0f}"), d=f"M{x(at)} {_ABOVE}v{height - _ABOVE - _BELOW}",
               class_="nan")
            for at, value in points[:2000] if not math.isfinite(value)
        ]  # fmt: skip
    return el(
        "svg", parts, viewBox=f"0 0 {width} {height}", class_="chart", role="img", aria_label=chart.title,
        data_x=f"{first!r},{last!r}", data_y=f"{low!r},{high!r}", data_log=logarithmic,
    )  # fmt: skip


def _healthy(chart: Chart, low: float, high: float, y: Callable[[float], float]) -> Markup | None:
    if chart.healthy is None:
        return None
    bottom, top = chart.healthy
    bottom, top = max(low, low if bottom is None else bottom), min(high, high if top is None else top)
    if bottom >= top:
        return None
    width, _ = CHART
    return el(
        "rect", el("title", "healthy range"), x=_LEFT, y=y(top), width=width - _LEFT - _RIGHT,
        height=round(y(bottom) - y(top), 1), class_="healthy",
    )  # fmt: skip


def _alone(points: Sequence[Point]) -> list[Point]:
    """The points beside which no line begins or ends."""
    is_finite = [False, *(math.isfinite(value) for _, value in points), False]
    places = zip(points, is_finite, is_finite[1:], is_finite[2:], strict=False)
    return [point for point, before, here, after in places if here and not before and not after]


def _line(points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """A path; it is broken where a value is not finite."""
    parts, begun = [], False
    for at, value in points:
        if math.isfinite(value):
            parts.append(f"{'L' if begun else 'M'}{x(at)} {y(value)}")
        begun = math.isfinite(value)
    return "".join(parts)


def level(ratio: float) -> int:
    """The shade of a duration that is so many times the usual one: 3 is usual, 6 twice, 9 four times as long."""
    return min(LEVELS - 1, max(0, round(3 + 3 * math.log2(max(ratio, 1e-3)))))


def heat_svg(
    names: Sequence[tuple[str, str]], cells: Sequence[Sequence[float | None]], usual: Sequence[float],
    bounds: Sequence[tuple[int, int]],
) -> Markup:  # fmt: skip
    """Rows of cells, each shaded by how its duration compares with the row's usual one. names: label and note."""
    wide = (HEAT_RIGHT - HEAT_LEFT) / max(1, len(bounds))
    paths: dict[int, list[str]] = {}
    labels: list[Markup] = []
    for row, (name, note) in enumerate(names):
        y = row * HEAT_ROW
        labels.append(el("text", name[:32], x=HEAT_LEFT - 8, y=y + 13, text_anchor="end", class_="lane"))
        labels.append(el("text", note, x=HEAT_RIGHT + 6, y=y + 13))
        for column, seconds in enumerate(cells[row]):
            if seconds is not None:
                shade = level(seconds / usual[row]) if usual[row] else 0
                box = _box(HEAT_LEFT + column * wide, y + 1, max(wide - (wide > 4), 0.5), HEAT_ROW - 2)
                paths.setdefault(shade, []).append(box)
    height = len(names) * HEAT_ROW
    for step in scales.ticks(0, len(bounds) - 1, 10) if len(bounds) > 1 else [0.0]:
        if step == int(step) and int(step) < len(bounds):
            at = HEAT_LEFT + (step + 0.5) * wide
            labels.append(el("text", bounds[int(step)][0], x=round(at, 1), y=height + 15, text_anchor="middle"))
    shapes = [el("path", d="".join(parts), class_=f"h{shade}") for shade, parts in sorted(paths.items())]
    return el(
        "svg", joined(shapes), joined(labels), viewBox=f"0 0 {WIDTH} {height + 22}", class_="heat", role="img",
        aria_label="durations of phases by step",
    )  # fmt: skip
