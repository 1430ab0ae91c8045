"""The parts of a report below its words, as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os.path import commonpath

from rli_agent.life.headline import headline
from rli_agent.query.rollouts import RolloutShown
from rli_agent.report import colours
from rli_agent.report.contents import Alert, Contents, Trouble
from rli_agent.report.curves import Chart, thinned
from rli_agent.report.drawing import chart_svg, heat_svg, level, mark_title, timeline_svg
from rli_agent.report.markup import Markup, data, el, joined
from rli_agent.report.phases import columns, longest_in
from rli_agent.report.rollouts import Batch, Rollouts
from rli_agent.report.scales import offset_at
from rli_agent.report.timeline import Span, Timeline
from rli_agent.report.words import figure, in_unit
from rli_agent.terminal import cut, many
from rli_agent.traces.ranks import Ranks

#: Characters of a problem, and of an alert's text.
_MESSAGE, _TEXT = 8000, 2000


def state_classes(timelines: Sequence[Timeline]) -> dict[str, str]:
    """A CSS class a state, the same in all pictures of a page."""
    states = dict.fromkeys(state for timeline in timelines for state in timeline.states())
    return {state: f"s{number}" for number, state in enumerate(states)}


def timeline_section(c: Contents, timeline: Timeline, classes: dict[str, str], name: str, title: str) -> Markup:
    """A timeline with its legend, and the figures that its script needs to look closer."""
    legend = [
        el("li", el("i", class_=f"swatch {classes[state]}"), state) for state in timeline.states()
    ]  # fmt: skip
    note = f"{timeline.total:,} intervals"
    note += f", {timeline.open} of them not over" if timeline.open else ""
    note += f"; {timeline.left_out} more lanes are not shown" if timeline.left_out else ""
    note += "; times are rebuilt from durations" if timeline.rebuilt else ""
    return el(
        "section", el("h2", title), el("p", note, ". ", el("span", _HOW, class_="how"), class_="note"),
        el("div", timeline_svg(timeline, c.zone, classes), class_="figure wide", data_timeline=name),
        el("ul", legend, class_="legend"), data(name, _timeline_data(c, timeline, classes)), id=f"section-{name}",
    )  # fmt: skip


_HOW = "Wheel or + and − zooms, dragging moves, 0 shows all."


def _timeline_data(c: Contents, timeline: Timeline, classes: dict[str, str]) -> dict[str, object]:
    """Times in milliseconds since the start, as drawn; a span is (start, length or -1, state, step or -1, count).
    breaks: (where it is drawn, how long it is drawn, how long it was)."""
    states = list(classes)
    numbers = {state: number for number, state in enumerate(states)}

    def drawn(at: float) -> int:
        return round(1000 * timeline.place(at))

    def row(spans: Sequence[Span]) -> list[int]:
        told: list[int] = []
        for span in spans:
            start = drawn(span.start)
            length = -1 if span.end is None else drawn(span.end) - start
            told += (start, length, numbers[span.state], -1 if span.step is None else span.step, span.count)
        return told

    return {
        "start": timeline.start, "length": drawn(timeline.end), "offset": offset_at(timeline.start, c.zone),
        "states": states, "classes": list(classes.values()),
        "lanes": [{"name": lane.name, "rows": [row(spans) for spans in lane.rows]} for lane in timeline.lanes],
        "marks": [[drawn(mark.time), mark.kind, mark_title(mark)] for mark in timeline.marks],
        "breaks": [[drawn(a), drawn(b) - drawn(a), round(1000 * (b - a))] for a, b in timeline.breaks],
    }  # fmt: skip


def curves_section(c: Contents) -> Markup:
    """A chart a metric."""
    figures = [_chart(c, chart, place) for place, chart in enumerate(c.charts)]
    told = [
        [
            [[round(at, 3) for at, _ in points], [_number(value) for _, value in points], name]
            for curve, name in zip(chart.curves, _names(chart), strict=True)
            for points in (thinned(curve.points),)
        ]
        for chart in c.charts
    ]
    return el(
        "section", el("h2", "Curves"), el("div", figures, class_="charts"), data("curves", told), id="section-curves"
    )


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _names(chart: Chart) -> list[str]:
    """What tells the chart's curves apart."""
    told = [list(curve.labels.values()) for curve in chart.curves]
    same = set.intersection(*map(set, told)) if len(told) > 1 else set()
    names = [", ".join(word for word in words if word not in same) for words in told]
    start = commonpath(names).rpartition("/")[0] if len(names) > 1 else ""
    return [name[len(start) :].lstrip("/")[-60:] or "all" for name in names]


def _chart(c: Contents, chart: Chart, place: int) -> Markup:
    last = next((value for _, value in reversed(chart.curves[0].points) if math.isfinite(value)), None)
    legend = [
        el("li", el("i", class_=f"stroke c{number}"), name)
        for number, name in enumerate(_names(chart))
        if len(chart.curves) > 1 or chart.curves[0].labels
    ]
    more = f" {chart.left_out} more series are not drawn." if chart.left_out else ""
    return el(
        "figure",
        el("figcaption", el("b", chart.title), el("span", in_unit(last, chart.unit) if last is not None else "")),
        el("div", chart_svg(chart, c.zone), data_chart=place),
        el("ul", legend, class_="legend small") if legend else None,
        el("p", f"{chart.help}{'' if chart.by_step else ', by time'}.{more}", class_="note") if chart.help else None,
    )  # fmt: skip


def heat_section(c: Contents) -> Markup | None:
    """Which phase took how long at which step."""
    phases = c.phases.phases
    if not phases:
        return None
    bounds = columns(c.phases.steps)
    cells = [longest_in(phase, bounds) for phase in phases]
    usual = [phase.usual for phase in phases]
    names = [(phase.name, f"{figure(phase.usual)} s") for phase in phases]
    each = len(c.phases.steps) / len(bounds)
    note = "Each cell compares a phase's seconds at a step with that phase's own median, which stands to the right."
    note += f" A column is {math.ceil(each)} steps; the longest of them counts." if each > 1 else ""
    scale = [el("li", el("i", class_=f"swatch h{shade}"), text) for shade, text in _SHADES]
    told = {
        "rows": [[name, rank] for (name, _), rank in zip(names, usual, strict=True)], "columns": bounds,
        "cells": [[_number(seconds) if seconds is not None else None for seconds in row] for row in cells],
    }  # fmt: skip
    return el(
        "section", el("h2", "Phases by step"), el("p", note, class_="note"),
        el("div", heat_svg(names, cells, usual, bounds), class_="figure wide", data_heat="phases"),
        el("ul", scale, class_="legend"), data("phases", told), id="section-phases",
    )  # fmt: skip


_SHADES = ((0, "half the usual or less"), (3, "usual"), (6, "twice"), (9, "four times or more"))


def ranks_section(c: Contents) -> Markup | None:
    """How long each rank spent in each phase, as the traces tell."""
    told = c.ranks
    if told is None:
        return None
    usual = {phase: told.usual(phase) for phase in told.phases}
    rows = [el("tr", el("td", lane), [_cell(told, lane, phase, usual[phase]) for phase in told.phases])
            for lane in told.lanes]  # fmt: skip
    rows.append(el("tr", el("td", "median"), [el("td", figure(usual[phase])) for phase in told.phases]))
    note = "Seconds, as the traces tell; each cell is compared with the median of its column."
    note += f" {told.left_out} more phases, with less time, are not shown." if told.left_out else ""
    files = [_row("td", trace.file, trace.kind, trace.rank, f"{trace.events:,}", trace.cut) for trace in c.traces[:500]]
    table = el("table", el("thead", _row("th", "", *told.phases)), el("tbody", rows), class_="ranks")
    return el(
        "section", el("h2", "Ranks by phase"), el("p", note, class_="note"), el("div", table, class_="scrolled"),
        el("details", el("summary", f"{many(len(c.traces), 'trace')} read"),
           el("table", el("thead", _row("th", "File", "Of", "Rank", "Events", "Left out")), el("tbody", files))),
        id="section-ranks",
    )  # fmt: skip


def _cell(told: Ranks, lane: str, phase: str, usual: float) -> Markup:
    seconds = told.seconds.get((lane, phase))
    if seconds is None:
        return el("td", "")
    return el("td", figure(seconds), class_=f"h{level(seconds / usual) if usual else 0}")


def alerts_section(c: Contents) -> Markup | None:
    """What was said of the run, in order."""
    if not c.alerts:
        return None
    return el(
        "section", el("h2", "Alerts and messages"),
        el("table", el("thead", _row("th", "When", "Step", "", "What")),
           el("tbody", [_alert(c, alert) for alert in c.alerts])),
        id="section-alerts",
    )  # fmt: skip


def _alert(c: Contents, alert: Alert) -> Markup:
    over = el("span", f" over at {when}", class_="dim") if (when := c.when(alert.until)) else None
    more = [line for line in (alert.text, f"To do: {alert.todo}" if alert.todo else "") if line]
    return _row(
        "td", c.when(alert.time), alert.step, el("span", alert.severity, class_=f"tag {alert.severity}"),
        [alert.title, over, _folded("more", cut("\n".join(more), _TEXT)) if more else None],
    )  # fmt: skip


def problems_section(c: Contents) -> Markup | None:
    """Problems by kind and wording, with the whole text of the first."""
    if not c.problems:
        return None
    more = f", {len(c.problems)} kinds of them" if c.problem_count > len(c.problems) else ""
    return el(
        "section", el("h2", "Problems"), el("p", f"{c.problem_count:,} in the logs{more}.", class_="note"),
        el("table", el("thead", _row("th", "When", "Step", "Times", "Kind", "What")),
           el("tbody", [_trouble(c, trouble) for trouble in c.problems])),
        id="section-problems",
    )  # fmt: skip


def _trouble(c: Contents, trouble: Trouble) -> Markup:
    first = trouble.first
    about = "≈ " if first.time_is == "estimated" else ""
    when = [about, c.clock(first.time, seconds=True)] if first.time is not None else ["?"]
    if trouble.until is not None and first.time is not None and trouble.until > first.time + 1:
        when.append(f" – {c.clock(trouble.until, seconds=True)}")
    said = headline(first.message)
    place = el("span", f"{trouble.role}, {first.file}:{first.line}", class_="place")
    whole = _folded("whole text", cut(first.message, _MESSAGE)) if first.message.strip() != said.strip() else None
    kind = el("span", first.kind, class_=f"tag {first.level.lower()}", title=first.level)
    return _row("td", when, first.step, f"{trouble.count:,}", kind, [cut(said, 300), " ", place, whole])


def _row(cell: str, *values: object) -> Markup:
    return el("tr", [el(cell, value) for value in values])  # type: ignore[arg-type]


def _folded(title: str, text: str) -> Markup:
    return el("details", el("summary", title), el("pre", text))


def rollouts_section(found: Rollouts) -> Markup | None:
    """Some of what the model wrote."""
    if not found.batches and not found.why:
        return None
    return el(
        "section", el("h2", "What the model wrote"), el("p", f"{found.why}.", class_="note") if found.why else None,
        [_batch(batch) for batch in found.batches], id="section-rollouts",
    )  # fmt: skip


def _batch(batch: Batch) -> Markup:
    parts: list[Markup] = [el("h3", batch.title), el("p", f"{batch.summary}.", class_="note")]
    for word, shown in (("worst", batch.worst), ("best", batch.best)):
        parts += [_rollout(one, f"{word} {place}") for place, one in enumerate(shown, 1)]
    return joined(parts)


def _rollout(one: RolloutShown, which: str) -> Markup:
    said = ["no reward" if one.reward is None else f"reward {one.reward:.4g}", one.environment]
    marks = {"solved": one.solved, "truncated": one.truncated, "cancelled": one.cancelled}
    said += [name for name, is_so in marks.items() if is_so]
    place = el("span", f"{one.file}:{one.line}", class_="place")
    return el(
        "details", el("summary", el("b", which), f" {', '.join(word for word in said if word)} ", place),
        el("p", f"error: {one.error}", class_="bad") if one.error else None,
        el("h4", "prompt"), [el("pre", text) for text in one.prompt] or el("pre", "(none)"),
        el("h4", "completion"), [el("pre", text) for text in one.completion] or el("pre", "(none)"), class_="rollout",
    )  # fmt: skip


def facts_section(c: Contents) -> Markup:
    """What the configuration says, and which files were read."""
    facts = [
        _row("td", fact.key, cut(fact.value, 500), el("span", _place(fact.file, fact.line), class_="place"))
        for fact in c.facts
    ]
    files = [
        _row("td", file.file, file.role, "?" if file.size is None else f"{file.size:,}", f"{file.lag:,}")
        for file in c.answer.files
    ]
    return el(
        "section", el("h2", "Configuration and files"),
        el("table", el("thead", _row("th", "Fact", "Value", "From")), el("tbody", facts)) if facts else None,
        el("details", el("summary", f"{len(files)} files were read"),
           el("table", el("thead", _row("th", "File", "Role", "Bytes", "Not read yet")), el("tbody", files))),
        id="section-facts",
    )  # fmt: skip


def _place(file: str, line: int) -> str:
    return "detected" if file == "." else f"{file}:{line}"


def state_styles(classes: dict[str, str]) -> str:
    """The states' colours, for light and dark."""
    light, dark = [], []
    for state, name in classes.items():
        on_light, on_dark = colours.of(state)
        light.append(f".{name}{{fill:{on_light};background:{on_light}}}")
        dark.append(f".{name}{{fill:{on_dark};background:{on_dark}}}")
    return f"{''.join(light)}@media screen and (prefers-color-scheme:dark){{{''.join(dark)}}}"
