"""What all our dashboards have in common."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery, Dashboard, DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, VariableModel

#: Grafana migrates what is older when it loads it; 42 is that of Grafana 13.
TAG = "rli-agent"


def board(
    uid: str, title: str, variables: Sequence[Builder[VariableModel]], annotations: Sequence[AnnotationQuery] = ()
) -> Dashboard:
    """An empty dashboard; the others are a click away, with the same runs and the same time."""
    others = DashboardLink("RL").type(DashboardLinkType.DASHBOARDS).tags([TAG]).include_vars(True).keep_time(True)
    made = (
        Dashboard(title)
        .uid(uid)
        .tags([TAG])
        .time("now-6h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(others.as_dropdown(True))
        .readonly()
    )
    for variable in variables:
        made.with_variable(variable)
    for annotation in annotations:
        made.annotation(annotation)
    return made
