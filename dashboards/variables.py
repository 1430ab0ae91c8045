"""What a dashboard is about: data sources, and the variables that choose project, experiment and run."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

#: The uids that `rli-agent server` gives its data sources; RL-Insight gives the same.
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
TEMPO = DataSourceRef(type_val="tempo", uid="tempo")

#: The chosen runs, for a metric's braces, and the same for the attributes of spans.
RUNS = 'project=~"$project", experiment_name=~"$experiment", run=~"$run"'
SPANS = (
    'resource.service.name = "rl_insight_monitor" && span.monitor.trace_segment = "state_interval" '
    '&& span.project =~ "$project" && span.experiment_name =~ "$experiment" && span.run =~ "$run"'
)


def choice(name: str, label: str, query: str, *, many: bool = True) -> QueryVariable:
    """A variable whose values are those of a label; all of them at first, or the first one."""
    variable = (
        QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(many)
        .include_all(many)
    )
    return variable.all_value(".*").current(VariableOption(text="All", value="$__all")) if many else variable


def run_choice() -> list[QueryVariable]:
    """Project, experiment and run, each narrowed by those before it."""
    chosen = 'project=~"$project"'
    return [
        choice("project", "Project", "label_values(rl_step, project)"),
        choice("experiment", "Experiment", f"label_values(rl_step{{{chosen}}}, experiment_name)"),
        choice("run", "Run", f'label_values(rl_step{{{chosen}, experiment_name=~"$experiment"}}, run)'),
    ]


def search(name: str, label: str, default: str) -> TextBoxVariable:
    """A variable that one types."""
    return TextBoxVariable(name).label(label).default_value(default)
