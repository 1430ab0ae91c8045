"""Agents and targets: is everything read, and does it arrive?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from rli_agent.dashboards.board import board
from rli_agent.dashboards.panels import HALF, QUARTER, curve, listing, number, query
from rli_agent.dashboards.variables import choice

_AGENTS = 'instance=~"$instance"'


def dashboard() -> Dashboard:
    """About rli-agent itself, and all that this Prometheus scrapes."""
    found = board(
        "rli-agents",
        "RL agents and targets",
        [choice("instance", "Agent", "label_values(rli_agent_build_info, instance)")],
    )
    found.with_row(Row("Is everything there?"))
    found.with_panel(
        listing(
            "Targets",
            "sort(up)",
            [("job", "Job"), ("instance", "Instance")],
            value="Up",
            about="1: the last scrape worked. 0: nobody answers there.",
        )
    )
    found.with_panel(
        listing(
            "Agents",
            "rli_agent_build_info",
            [("instance", "Instance"), ("version", "Version"), ("python", "Python")],
        )
    )
    found.with_row(Row("Does reading keep up?"))
    found.with_panel(
        number(
            "Behind by",
            f"max by (instance) (rli_agent_lag_seconds{{{_AGENTS}}})",
            unit="s",
            legend="{{instance}}",
            about="Age of the oldest text that was not read yet.",
            steps=[(None, "green"), (10, "orange"), (60, "red")],
        )
    )
    found.with_panel(
        number("Unread", f"sum by (instance) (rli_agent_lag_bytes{{{_AGENTS}}})", unit="bytes", legend="{{instance}}")
    )
    found.with_panel(
        number(
            "Last stored",
            f"time() - rli_agent_last_commit_timestamp_seconds{{{_AGENTS}}}",
            unit="s",
            legend="{{instance}}",
            about="Time since events were last stored: that of a run that says nothing grows too.",
        )
    )
    found.with_panel(
        number(
            "Series refused",
            f"sum by (instance) (rli_agent_dropped_series_total{{{_AGENTS}}})",
            legend="{{instance}}",
            about="Series beyond the limit of a run: they are stored, and not published.",
            steps=[(None, "green"), (1, "orange")],
        )
    )
    for title, counter, unit in (
        ("Lines read", "rli_agent_lines_total", "cps"),
        ("Bytes read", "rli_agent_bytes_total", "Bps"),
        ("Events", "rli_agent_events_total", "cps"),
    ):
        kind = "type" if "events" in counter else "role"
        expr = f"sum by (instance, {kind}) (rate({counter}{{{_AGENTS}}}[$__rate_interval]))"
        found.with_panel(curve(title, query(expr, f"{{{{instance}}}} {{{{{kind}}}}}"), unit=unit))
    found.with_row(Row("What does it cost?"))
    for title, expr, unit in (
        ("CPU", f"rate(rli_agent_process_cpu_seconds_total{{{_AGENTS}}}[$__rate_interval])", "percentunit"),
        ("Memory", f"rli_agent_process_resident_memory_bytes{{{_AGENTS}}}", "bytes"),
        ("Series", f"rli_agent_series{{{_AGENTS}}}", "short"),
        ("Duration of a scrape", 'scrape_duration_seconds{job="rli-agent"}', "s"),
    ):
        found.with_panel(curve(title, query(expr, "{{instance}}"), unit=unit, width=QUARTER))
    found.with_row(Row("Does it arrive?"))
    found.with_panel(
        curve("Waits to be sent", query(f"rli_agent_exporter_queue_depth{{{_AGENTS}}}", "{{exporter}}"), width=HALF)
    )
    failures = (
        f"sum by (instance, exporter) (increase(rli_agent_exporter_failures_total{{{_AGENTS}}}[$__rate_interval]))"
    )
    found.with_panel(curve("Sendings that failed", query(failures, "{{exporter}}"), width=HALF))
    return found
