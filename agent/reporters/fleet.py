"""All runs on the terminal: the answer first, then a line a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.table import Table
from rich.text import Text

from rli_agent.fleet.run import FleetRun, headline, silence, step_of
from rli_agent.reporters.figures import clock
from rli_agent.reporters.screen import COLOURS, standard_output
from rli_agent.terminal import plain

_COLUMNS = ("RUN", "HEALTH", "LIFE", "STEP", "LAST STEP", "ETA", "GPU-H IDLE", "ALERTS", "WHY")


def print_fleet(runs: Sequence[FleetRun], now: float, zone: tzinfo) -> None:
    """Print runs, as `in_order` gives them, to standard output."""
    console = standard_output()
    answer = Text(plain(headline(list(runs))).replace("\n", " "), COLOURS[runs[0].health] if runs else "")
    console.print(answer, no_wrap=True, overflow="ellipsis")
    if not runs:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, overflow="ellipsis", justify="right" if "GPU" in column else "left")
    for run in runs:
        hosts = f" ({len(run.hosts)} hosts)" if len(run.hosts) > 1 else ""
        table.add_row(
            plain(run.run) + hosts, Text(run.health, COLOURS[run.health]), plain(run.life), step_of(run),
            silence(run, now), clock(run.finishes_at, zone, now) if run.finishes_at else "-",
            "-" if run.idle_gpu_hours is None else f"{run.idle_gpu_hours:.1f}", str(len(run.alerts) or "-"),
            plain(run.why).replace("\n", " "),
        )  # fmt: skip
    console.print(table)
