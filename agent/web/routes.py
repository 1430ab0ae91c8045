"""The questions about one run: where each is asked, with which parameters, and what answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from rli_agent.answer.report import Report
from rli_agent.logs.window import Window
from rli_agent.query.alerts import Alerts
from rli_agent.query.curves import CurveList
from rli_agent.query.engines import Engines
from rli_agent.query.heat import Heat
from rli_agent.query.problems import Problems
from rli_agent.query.rollouts import RolloutList, RolloutShown
from rli_agent.query.run import RunQueries
from rli_agent.query.series import SeriesList
from rli_agent.query.steps import Steps
from rli_agent.query.timeline import Timeline
from rli_agent.web.parameters import Curves, HeatOf, Last, LogsOf, Most, Nothing, OneRollout, Pixels, RolloutsOf, Search


class Route(NamedTuple):
    """GET /api/runs/{run}/NAME."""

    about: str
    parameters: type[Struct]
    answer: type[Struct]
    ask: Callable[[RunQueries, Any], Struct]


#: NAME → the question.
ROUTES: dict[str, Route] = {
    "status": Route("How the run is (docs/status.md).", Nothing, Report, lambda run, _: run.report()),
    "timeline": Route(
        "What each lane did when.", Pixels, Timeline, lambda run, p: run.timeline(p.since, p.to, p.width),
    ),
    "series": Route("Which series there are.", Search, SeriesList, lambda run, p: run.series(p.q, p.limit)),
    "curves": Route(
        "Series as curves.", Curves, CurveList,
        lambda run, p: run.curves(p.id, p.metric, p.x, p.points, p.since, p.to),
    ),
    "steps": Route("What the newest steps were spent on.", Last, Steps, lambda run, p: run.steps(p.last)),
    "rollouts/heat": Route(
        "How rollouts were spread, step by step.", HeatOf, Heat,
        lambda run, p: run.heat(p.quantity, p.phase, p.environment, p.columns),
    ),
    "rollouts": Route(
        "What the model wrote in a step.", RolloutsOf, RolloutList, lambda run, p: run.rollouts(p.wanted())
    ),
    "rollouts/one": Route(
        "One rollout, its texts whole.", OneRollout, RolloutShown,
        lambda run, p: run.rollout(p.file, p.offset, p.number),
    ),
    "logs": Route("All log files as one, in the order of time.", LogsOf, Window, lambda run, p: run.logs(p.wanted())),
    "problems": Route("What went wrong.", Most, Problems, lambda run, p: run.problems(p.limit)),
    "alerts": Route("What detectors said, and what the agent told.", Nothing, Alerts, lambda run, _: run.alerts()),
    "engines": Route("The engines' newest figures.", Nothing, Engines, lambda run, _: run.engines()),
}  # fmt: skip
