"""Framework detail: everything that the framework printed, under its own names, by search."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from rli_agent.dashboards.board import board
from rli_agent.dashboards.panels import THIRD, curve, query
from rli_agent.dashboards.variables import RUNS, choice, run_choice, search


def dashboard() -> Dashboard:
    """One panel a metric; `Search` is a regular expression on its name, `Metrics` chooses among those found."""
    names = f'label_values({{__name__=~"rl_insight_monitor_.*($search).*", {RUNS}}}, __name__)'
    variables = [*run_choice(), search("search", "Search", "reward|loss"), choice("metric", "Metrics", names)]
    found = board("rli-framework", "RL framework detail", variables)
    panel = curve("$metric", query(f'{{__name__=~"$metric", {RUNS}}}', "{{run}} {{role}}"), width=THIRD)
    return found.with_panel(panel.repeat("metric").repeat_direction("h").max_per_row(3))
