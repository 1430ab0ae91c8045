"""A run among others: how it is, in one line, and what it costs while it does not get on."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from rli_agent.answer.report import URGENCY, Health
from rli_agent.life.state import ENDS
from rli_agent.life.wording import spoken

#: Ended runs, and those that nobody has heard of, are left out after so many seconds.
RECENT = 86_400.0


class FleetRun(Struct, frozen=True, omit_defaults=True):
    """A run. Times are Unix seconds; `why` says why `health` is what it is; `alerts` are not over. heard_at: when its
    agent last told of it; `hosts`: the nodes with an agent. gpus: by the run's configuration; `idle_gpu_hours`: what
    they have cost since the last step, while the run holds them."""

    run: str
    health: Health
    life: str
    why: str
    heard_at: float
    project: str = ""
    experiment: str = ""
    framework: str = ""
    root: str = ""
    watched: bool = True
    hosts: list[str] = []
    step: int | None = None
    max_steps: int | None = None
    step_seconds: float | None = None
    last_step_at: float | None = None
    finishes_at: float | None = None
    alerts: list[str] = []
    problems: int = 0
    gpus: int | None = None
    idle_gpu_hours: float | None = None


def idle_gpu_hours(life: str, gpus: int | None, last_step_at: float | None, now: float) -> float | None:
    """GPU-hours since the last step; None where that cannot be told, or the run is over."""
    if gpus is None or last_step_at is None or life in ENDS:
        return None
    return round(gpus * max(0.0, now - last_step_at) / 3600, 3)


def in_order(runs: Iterable[FleetRun], now: float, everything: bool = False) -> list[FleetRun]:
    """The one that needs somebody first: what is down before what is degraded, and of these what wastes most. Without
    `everything` those that ended, or were last heard of, long ago are left out."""
    shown = [run for run in runs if everything or now - run.heard_at < RECENT]
    shown.sort(key=lambda run: (-(run.idle_gpu_hours or 0.0), -run.heard_at))
    return sorted(shown, key=lambda run: (URGENCY[run.health], run.life == "finished"))


def headline(runs: list[FleetRun]) -> str:
    """The answer: which run needs somebody, or that none does. `runs` as `in_order` gives them."""
    if not runs:
        return "no runs found"
    worst = runs[0]
    if worst.health == "Healthy":
        going = sum(run.life not in ENDS for run in runs)
        over = f", {len(runs) - going} finished" if going < len(runs) else ""
        return f"all is well: {going} going on{over}"
    others = sum(run.health != "Healthy" for run in runs[1:])
    more = f" ({others} more {'needs' if others == 1 else 'need'} a look)" if others else ""
    return f"{worst.run}: {worst.health}: {worst.why}{more}"


def step_of(run: FleetRun) -> str:
    """How far it is."""
    if run.step is None:
        return "-"
    return f"{run.step}/{run.max_steps}" if run.max_steps is not None else str(run.step)


def silence(run: FleetRun, now: float) -> str:
    """How long ago the last step was."""
    return spoken(now - run.last_step_at) if run.last_step_at is not None else "-"
