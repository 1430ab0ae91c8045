"""Marks on all panels of a dashboard, at the moments at which something happened to the run."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from rli_agent.dashboards.variables import PROMETHEUS, RUNS


def events() -> list[AnnotationQuery]:
    """Problems, checkpoints, evaluations, and weight syncs (off until asked for: there is one a step)."""

    def mark(name: str, colour: str, expr: str, *, shown: bool = True) -> AnnotationQuery:
        return AnnotationQuery().name(name).datasource(PROMETHEUS).icon_color(colour).enable(shown).expr(expr)

    def ends(state: str) -> str:
        return f'sum by (run, state) (changes(rl_phase_duration_seconds{{{RUNS}, state="{state}"}}[$__interval])) > 0'

    grave = f'{RUNS}, level=~"ERROR|CRITICAL"'
    return [
        mark("Problems", "red", f"sum by (run, kind) (increase(rl_problems_total{{{grave}}}[$__interval])) > 0"),
        mark("Checkpoints", "blue", ends("save_ckpt")),
        mark("Evaluations", "purple", ends("eval")),
        mark("Weight syncs", "green", ends("weight_sync"), shown=False),
    ]
