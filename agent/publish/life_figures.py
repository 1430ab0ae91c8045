"""How the run's life stands, as figures: for alerts that Prometheus decides by itself."""

from __future__ import annotations

from collections.abc import Iterator

from rli_agent.events import Labels
from rli_agent.life.state import ENDS, LifeState

LIVES = ("starting", "running", "stalled", *sorted(ENDS))


def life_figures(state: LifeState) -> Iterator[tuple[str, Labels, float]]:
    """Name, labels and value of each. May be called while another thread records."""
    for life in LIVES:
        yield "rl_run_life", (("state", life),), float(state.life == life)
    yield "rl_run_active", (), float(state.life not in ENDS)
    if state.step_at is not None:
        yield "rl_last_step_timestamp_seconds", (), state.step_at
    if state.gpus is not None:
        yield "rl_gpus", (), float(state.gpus)
    usual = state.usual_step()
    if usual is not None:
        yield "rl_usual_step_seconds", (), usual
