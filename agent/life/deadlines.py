"""How long a run may go on without progress, by what it is doing and by what that usually takes it."""

from __future__ import annotations

from statistics import median

from rli_agent.life.state import LifeState, Open

#: So many times the usual duration is too long, but never before FLOOR seconds.
TIMES = 3.0
FLOOR = 600.0
#: The longest that ever passed between two steps, or that a state ever took, times this is not too long either.
LONGEST_TIMES = 1.5
#: Since the last sign of a run that starts: loading, compiling, placing. Twice that while others than engines write.
STARTING = 1800.0
#: What a first step may take, and a first evaluation, checkpoint or other state: nothing is known of them yet.
FIRST_STEP = 3600.0
FIRST = {"eval": 3600.0, "save_ckpt": 1800.0, "weight_sync": 1800.0, "load": 1800.0, "compile": 3600.0}
#: A run that has shown neither evaluation nor checkpoint yet may begin one without saying so.
UNANNOUNCED = 1800.0
#: What generation has shown so long ago (tokens, rollouts) still counts; but without a step no longer than INNER_STEPS
#: usual steps and INNER_MOST seconds.
INNER = 600.0
INNER_STEPS, INNER_MOST = 20.0, 10_800.0
#: Lanes in these states do what others let them do: they have no deadline of their own.
IDLE = frozenset({"wait", "pause", "sleep", "offload"})
#: What comes before the first step.
START_STATES = frozenset(
    {"load", "compile", "engine_init", "graph_capture", "init_distributed", "data_preprocess", "onload", "wake"}
)


def state_patience(state: LifeState, lane: Open) -> float:
    """Seconds that a state may last."""
    known = state.usual.get(f"{lane.lane}\0{lane.state}") or state.lasting(lane.state)
    if not known:
        return FIRST.get(lane.state, FIRST_STEP)
    floor = 1.5 * FLOOR if lane.state in ("eval", "save_ckpt") else FLOOR
    return max(TIMES * median(known), LONGEST_TIMES * max(known), floor)


def step_patience(state: LifeState) -> float:
    """Seconds that may pass from one step to the next."""
    usual = state.usual_step()
    if usual is None:
        return FIRST_STEP
    longest = min(LONGEST_TIMES * state.longest_gap, max(INNER_STEPS * usual, 7200.0))
    patience = max(TIMES * usual, longest, FLOOR)
    for name in ("eval", "save_ckpt"):
        if name in state.announced:
            continue
        known = state.lasting(name)
        patience = max(patience, TIMES * usual + 2 * max(known) if known else UNANNOUNCED)
    return patience


def allowed_until(state: LifeState) -> float | None:
    """When a run without further progress counts as stalled. None: nothing is known yet that could stall."""
    if state.progress_at is None:
        return None
    if state.step_at is None:
        until = state.progress_at + _start_patience(state)
    else:
        until = max(state.step_at, state.aside_at or 0.0) + step_patience(state)
    for lane in state.open.values():
        if lane.state not in IDLE:
            until = max(until, lane.since + state_patience(state, lane))
    if state.inner_at is not None:
        inner = state.inner_at + INNER
        usual = state.usual_step()
        if state.step_at is not None and usual is not None:
            inner = min(inner, state.step_at + max(INNER_STEPS * usual, INNER_MOST))
        until = max(until, inner)
    return until


def _start_patience(state: LifeState) -> float:
    assert state.progress_at is not None
    if state.begun or any(lane.state not in START_STATES for lane in state.open.values()):
        return FIRST_STEP
    others = any(
        said.wrote > state.progress_at
        for role, said in state.roles.items()
        if role not in ("inference", "router", "env")
    )
    return 2 * STARTING if others else STARTING


def silence_patience(state: LifeState) -> float:
    """Seconds without a step that make a problem which ends processes the end of the run."""
    usual = state.usual_step()
    return 300.0 if usual is None else max(60.0, min(2 * usual, 300.0))
