"""RL-state timeline: lanes × time from Tempo, and the shares of waiting from Prometheus."""

from __future__ import annotations

from grafana_foundation_sdk.builders import statetimeline, table, tempo
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.tempo import SearchTableType

from rli_agent.dashboards.board import board
from rli_agent.dashboards.marks import events
from rli_agent.dashboards.panels import HALF, WIDE, bars, curve, listing, query, stacked
from rli_agent.dashboards.variables import RUNS, SPANS, TEMPO, run_choice

#: A colour a state, the same in every run.
COLOURS = {
    "rollout": "#5794F2",
    "update_actor": "#73BF69",
    "train": "#73BF69",
    "update_critic": "#96D98D",
    "wait": "#8E8E8E",
    "load_data": "#B0B0B0",
    "weight_sync": "#FF9830",
    "save_ckpt": "#FADE2A",
    "eval": "#B877D9",
    "reward": "#8AB8FF",
    "log_prob": "#C0D8FF",
    "ref_log_prob": "#DEB6F2",
    "values": "#CA95E5",
    "advantage": "#E0B400",
    "pause": "#E02F44",
    "sleep": "#7A5195",
    "wake": "#FFCB7D",
    "compile": "#3274D9",
    "load": "#447EBC",
    "onload": "#C4162A",
    "offload": "#890F02",
    "resume": "#37872D",
}


def dashboard() -> Dashboard:
    """What every lane did and when."""
    found = board("rli-timeline", "RL state timeline", run_choice(), events())
    found.with_row(Row("What did each lane do?"))
    found.with_panel(_timeline())
    found.with_row(Row("Which steps took longest?"))
    found.with_panel(_steps())
    found.with_panel(
        listing(
            "Open now",
            f"sort_desc(rl_state_elapsed_seconds{{{RUNS}}})",
            [("run", "Run"), ("lane", "Lane"), ("state", "State")],
            value="For",
            unit="s",
            about="A state that has not ended is not a span yet: it is here until it ends.",
        )
    )
    found.with_row(Row("Who waits for whom?"))
    phases = f'max by (run, lane, state) (rl_phase_duration_seconds{{{RUNS}, state!="step"}})'
    found.with_panel(
        stacked(curve("States of a step", query(phases, "{{run}} {{lane}} {{state}}"), unit="s", width=HALF))
    )
    waiting = f'sum by (run, lane) (rl_phase_duration_seconds{{{RUNS}, state="wait"}})'
    found.with_panel(
        bars(
            "Waiting in the newest step",
            waiting,
            legend="{{run}} {{lane}}",
            unit="s",
            width=HALF,
            about="A trainer that waits wants more inference; an orchestrator that waits wants a faster trainer.",
        )
    )
    return found


def _spans(query_text: str, kind: SearchTableType, limit: int) -> tempo.TempoQuery:
    return (
        tempo.TempoQuery()
        .datasource(TEMPO)
        .query_type("traceql")
        .table_type(kind)
        .query(query_text)
        .limit(limit)
        .spss(100)
        .ref_id("A")
    )


def _timeline() -> statetimeline.Panel:
    """Tempo gives a span's start and duration; the panel wants a start and an end, one frame a lane."""

    def times(alias: str, left: str, operator: str, right: dict[str, object]) -> DataTransformerConfig:
        binary = {"left": {"matcher": {"id": "byName", "options": left}}, "operator": operator, "right": right}
        return DataTransformerConfig(
            id_val="calculateField", options={"mode": "binary", "alias": alias, "binary": binary}
        )

    end_time = {"conversions": [{"targetField": "End time", "destinationType": "time"}]}
    columns = {"include": {"names": ["Start time", "End time", "state_lane_id", "state_name"]}}
    lanes = {"fields": ["state_lane_id"], "keepFields": False, "naming": {"asLabels": False}}
    spans = f'{{{SPANS} && span.state_lane_id != "" && name != "step"}} | select(span.state_lane_id, span.state_name)'
    panel = (
        statetimeline.Panel()
        .title("States")
        .description("The states of every lane, as the run logged them. A step that has not ended is not here yet.")
        .datasource(TEMPO)
        .span(WIDE)
        .height(14)
        .merge_values(False)
        .show_value(kinds.VisibilityMode.AUTO)
        .row_height(0.9)
        .mappings([ValueMap(options={s: ValueMappingResult(color=c, text=s) for s, c in COLOURS.items()})])
        .with_target(_spans(spans, SearchTableType.SPANS, 1000))
    )
    for step in (
        times("Milliseconds", "Duration", "/", {"fixed": "1000000"}),
        times("End time", "Start time", "+", {"matcher": {"id": "byName", "options": "Milliseconds"}}),
        DataTransformerConfig(id_val="convertFieldType", options=end_time),
        DataTransformerConfig(id_val="filterFieldsByName", options=columns),
        DataTransformerConfig(id_val="partitionByValues", options=lanes),
    ):
        panel.with_transformation(step)
    return panel


def _steps() -> table.Panel:
    return (
        table.Panel()
        .title("Steps")
        .description("One trace a step. A click on one shows the states inside it.")
        .datasource(TEMPO)
        .span(HALF)
        .height(8)
        .with_target(_spans(f'{{{SPANS} && name = "step"}}', SearchTableType.TRACES, 200))
    )
