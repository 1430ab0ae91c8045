"""The comparison on a terminal: the answer, then what differs, the clearest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rli_agent.compare.comparison import Comparison, Metric, sides
from rli_agent.compare.words import VERDICTS, answer, by_how_much, seconds, setting, title, value, verdict
from rli_agent.reporters.screen import standard_output
from rli_agent.terminal import plain

#: Rows of a table; `--all` shows the rest.
_ROWS = 15
_COLOURS = {"A": "red", "B": "green", None: "yellow"}


def print_comparison(c: Comparison, everything: bool = False) -> None:
    """Print it. everything: also what does not differ."""
    console = standard_output()
    console.print(Text(plain(answer(c)), "bold"), soft_wrap=True)
    for part in _parts(c, None if everything else _ROWS, everything):
        console.print(part)


def _parts(c: Comparison, rows: int | None, everything: bool) -> Iterator[RenderableType]:
    yield _sides(c)
    common = [m for m in c.metrics if m.common]
    native = [m for m in c.metrics if not m.common and (everything or m.difference.matters)]
    if common:
        yield from _metrics("Common metrics, at equal steps", common, rows)
    if native:
        yield from _metrics("The framework's own metrics", native, rows)
    phases = [p for p in c.phases if everything or p.difference.matters or p.state == "step"]
    if phases:
        table = _table("Seconds a step", "state", "A", "B", "", "difference")
        for phase in phases[:rows]:
            d = phase.difference
            cells = (f"{phase.lane}: {phase.state}", seconds(d.a), seconds(d.b), by_how_much(d), VERDICTS[d.verdict])
            table.add_row(*map(_text, cells), style=None if d.matters else "dim")
        yield table
        yield from _more(len(phases), rows)
    if c.settings:
        table = _table(f"Settings: {len(c.settings)} differ", "setting", "A", "B")
        for one in c.settings[:rows]:
            table.add_row(*map(_text, setting(one)))
        yield table
        yield from _more(len(c.settings), rows)
    for letter, names in (("A", c.only_a), ("B", c.only_b)):
        if names:
            shown = names if everything else names[:5]
            more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            yield Text(plain(f"only in {letter}: {', '.join(shown)}{more}"), "dim")


def _metrics(heading: str, metrics: Sequence[Metric], rows: int | None) -> Iterator[RenderableType]:
    table = _table(heading, "metric", "A", "B", "", "difference", "steps")
    for metric in metrics[:rows]:
        d = metric.difference
        steps = f"{d.first}–{d.last}" if d.steps else "none"
        cells = (title(metric), value(metric, d.a), value(metric, d.b), by_how_much(d), verdict(metric), steps)
        table.add_row(*map(_text, cells), style=_COLOURS[metric.better] if d.matters else "dim")
    yield table
    yield from _more(len(metrics), rows)


def _sides(c: Comparison) -> Table:
    table = _table("", "", "A", "B")
    for row in sides(c):
        table.add_row(*map(_text, row))
    return table


def _table(heading: str, *columns: str) -> Table:
    table = Table(title=heading or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        figures = column in ("A", "B", "") and number > 0 and "difference" in columns
        table.add_column(column, justify="right" if figures else "left", overflow="fold")
    return table


def _more(count: int, rows: int | None) -> Iterator[Text]:
    if rows is not None and count > rows:
        yield Text(f"and {count - rows} more: --all", "dim")


def _text(cell: str) -> Text:
    return Text(plain(cell))
