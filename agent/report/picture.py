"""The report at a glance as one picture, drawn by matplotlib (the extra `png`): answer, timeline, curves, phases."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

from rli_agent.errors import UserError
from rli_agent.report import colours, scales
from rli_agent.report.contents import Contents
from rli_agent.report.curves import Chart, thinned
from rli_agent.report.drawing import level
from rli_agent.report.phases import columns, longest_in
from rli_agent.report.timeline import Span, Timeline
from rli_agent.report.words import in_unit, what_happened
from rli_agent.terminal import cut, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Size in inches at so many pixels an inch; curves that are drawn; sentences under the answer.
SIZE, DOTS, CHARTS, LINES = (16.0, 10.5), 100, 8, 7
#: Columns of pixels of a timeline; rows of the heat map.
_ACROSS, _PHASES = 1400, 16
_SHADES = (
    "#e6eef5", "#d6e4ee", "#c4d8e6", "#b3cddf", "#d9d5a8", "#efcf83", "#eeb362", "#e4914c", "#d0633d", "#ad352f",
)  # fmt: skip
_MARKS = {
    "problem": ("v", "#b3362c"), "alert": ("D", "#9a6700"), "checkpoint": ("o", "#8a6242"), "attempt": ("|", "#2f62ad"),
}  # fmt: skip
_INK, _SOFT, _FAINT, _LINE = "#1d232b", "#5c6672", "#e4e7ea", "#2f62ad"


def picture(contents: Contents) -> bytes:
    """The picture as PNG. Raises UserError where matplotlib is missing."""
    try:  # late: it takes most of a second, and is optional
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        hint = "pip install 'rli-agent[png]' (or matplotlib); the HTML report needs nothing"
        raise UserError("a picture needs matplotlib, which is not installed", hint) from None
    style = {"font.size": 8.5, "axes.edgecolor": _FAINT, "text.color": _INK, "text.parse_math": False,
             "xtick.color": _SOFT, "ytick.color": _SOFT, "axes.labelcolor": _SOFT}  # fmt: skip
    with rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that its font does not have
        figure = Figure(figsize=SIZE, dpi=DOTS, facecolor="#fbfbfa")
        _draw(figure, contents)
        image = io.BytesIO()
        figure.savefig(image, format="png")
        return image.getvalue()


def _draw(figure: Figure, c: Contents) -> None:
    name = c.answer.run.experiment or c.answer.run.root.rstrip("/").rsplit("/", 1)[-1]
    which = ", ".join(word for word in (name, c.answer.run.framework, c.answer.run.model) if word)
    figure.text(0.035, 0.965, plain(which)[:160], color=_SOFT, fontsize=10)
    answer = textwrap.wrap(plain(c.answer.answer), 125)[:2]
    figure.text(0.035, 0.955, "\n".join(answer), fontsize=15, fontweight="bold", va="top", linespacing=1.35)
    said = [line for paragraph in what_happened(c) for line in paragraph.lines][:LINES]
    top = 0.915 - 0.03 * (len(answer) - 1)
    figure.text(0.035, top, "\n".join(cut(plain(line), 185) for line in said), va="top", fontsize=9.5, linespacing=1.5)
    bottom = top - 0.0205 * len(said) - 0.03
    shares = [(0.9, c.timeline), (1.6, c.charts), (0.8, c.phases.phases)]
    whole = sum(share for share, there in shares if there) or 1.0
    height = bottom - 0.05
    if c.timeline is not None:
        high = 0.9 / whole * height
        _timeline(figure.add_axes((0.11, bottom - high + 0.05, 0.855, high - 0.06)), c, c.timeline)
        bottom -= high
    if c.charts:
        high = 1.6 / whole * height
        _charts(figure, c, bottom, high)
        bottom -= high
    if c.phases.phases:
        _heat(figure.add_axes((0.11, 0.045, 0.82, bottom - 0.075)), c)


def _bare(axes: Axes) -> None:
    axes.set_facecolor("#ffffff")
    axes.tick_params(length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _timeline(axes: Axes, c: Contents, timeline: Timeline) -> None:
    rows, names = [], []
    for lane in timeline.lanes[:24]:
        for number, row in enumerate(lane.rows):
            rows.append(_pixels(row, timeline))
            names.append(plain(lane.name)[:18] if number == 0 else "")
    axes.imshow(rows, aspect="auto", interpolation="nearest", extent=(0, _ACROSS, len(rows), 0))
    for place in range(1, len(rows)):
        axes.axhline(place, color="#fbfbfa", linewidth=1.5)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], names)
    scale = _ACROSS / timeline.length
    ticks = scales.clock_ticks(timeline.start, timeline.end, c.zone, 9, timeline.length)
    shown = [(at, text) for at, text in ticks if not any(a < at < b for a, b in timeline.breaks)]
    axes.set_xticks([timeline.place(at) * scale for at, _ in shown], [text for _, text in shown])
    for kind, (shape, colour) in _MARKS.items():
        places = [timeline.place(mark.time) * scale for mark in timeline.marks if mark.kind == kind]
        axes.plot(places, [-0.25] * len(places), shape, color=colour, markersize=4, clip_on=False)
    for state in timeline.states()[:12]:
        axes.plot([], [], "s", color=colours.of(state)[0], label=plain(state)[:24])
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -0.14), ncols=12, frameon=False, handletextpad=0.1, columnspacing=1
    )
    _bare(axes)


def _pixels(row: list[Span], timeline: Timeline) -> list[tuple[float, float, float]]:
    """A row as pixels, each in the colour of the state that takes most of it."""
    scale = _ACROSS / timeline.length
    most: list[tuple[float, str | None]] = [(0.0, None)] * _ACROSS
    for span in row:
        left = timeline.place(span.start) * scale
        right = timeline.place(timeline.end if span.end is None else span.end) * scale
        for at in range(max(0, int(left)), min(_ACROSS, math.ceil(right))):
            covered = min(right, at + 1) - max(left, at)
            if covered > most[at][0]:
                most[at] = covered, span.state
    return [_rgb("#ffffff" if state is None else colours.of(state)[0]) for _, state in most]


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def _charts(figure: Figure, c: Contents, top: float, high: float) -> None:
    """Two rows of curves."""
    for place, chart in enumerate(c.charts[:CHARTS]):
        row, column = divmod(place, 4)
        each = high / 2
        axes = figure.add_axes((0.045 + 0.238 * column, top - each * (row + 1) + 0.045, 0.205, each - 0.075))
        _chart(axes, c, chart)


def _chart(axes: Axes, c: Contents, chart: Chart) -> None:
    finite: list[float] = []
    for curve in chart.curves:
        points = thinned(curve.points)
        finite += [value for _, value in points if math.isfinite(value)]
        axes.plot([at for at, _ in points], [value for _, value in points], linewidth=1.1,
                  color=_LINE if len(chart.curves) == 1 else None)  # fmt: skip
    low, high, logarithmic = scales.value_range(finite)
    axes.set_ylim(low, high)
    if logarithmic:
        axes.set_yscale("log")
        powers = scales.powers(low, high)
        axes.set_yticks(powers, [scales.short(value) for value in powers])
        axes.minorticks_off()
    if chart.healthy is not None:
        bottom, above = chart.healthy
        axes.axhspan(low if bottom is None else bottom, high if above is None else above, color="#2f7d46", alpha=0.1)
    if not chart.by_step:
        first, last = axes.get_xlim()
        ticks = scales.clock_ticks(first, last, c.zone, 3)
        axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_title(f"{plain(chart.title)[:34]}  {in_unit(finite[-1], chart.unit)}", fontsize=9, loc="left", color=_INK)
    axes.grid(color=_FAINT, linewidth=0.6)
    _bare(axes)


def _heat(axes: Axes, c: Contents) -> None:
    phases = sorted(c.phases.phases, key=lambda phase: -phase.total)[:_PHASES]
    bounds = columns(c.phases.steps)
    rows: list[Any] = []
    for phase in phases:
        usual = phase.usual
        cells = longest_in(phase, bounds)
        rows.append([_rgb("#ffffff" if s is None else _SHADES[level(s / usual) if usual else 0]) for s in cells])
    axes.imshow(rows, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(phases)), [plain(phase.name)[:26] for phase in phases])
    shown = [int(place) for place in scales.ticks(0, len(bounds) - 1, 10) if place == int(place)]
    axes.set_xticks(shown, [str(bounds[place][0]) for place in shown])
    for place, phase in enumerate(phases):
        axes.text(len(bounds) - 0.4, place, f"{phase.usual:.3g} s", va="center", color=_SOFT, fontsize=7.5)
    axes.set_title("seconds of each phase at each step, against its own median (right)", fontsize=9, loc="left")
    _bare(axes)
