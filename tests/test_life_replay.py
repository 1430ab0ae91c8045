"""Laws of the life: what is remembered is all that counts, and nothing is told twice."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rli_agent.events import Event, Interval, Problem, RunFact, Samples, Shape, Source
from rli_agent.life.state import LifeState
from rli_agent.life.tracker import LifeTracker
from rli_agent.message import Message

ROLES = st.sampled_from(["trainer", "orchestrator", "inference", "env", "metrics"])
SHAPE = Shape(("loss/mean",), (None,), (None,))
TOKENS = Shape(("vllm:gen",), (None,), ("rl_engine_generation_tokens_per_second",))

Move = tuple[str, float, list[Event]]


@st.composite
def events(draw: st.DrawFn, role: str) -> Event:
    place = (f"{role}.log", draw(st.integers(1, 99)), 0)
    time = draw(st.one_of(st.none(), st.floats(1.8e9, 1.8e9 + 1e5)))
    known = "observed" if time is None else "logged"
    step = draw(st.integers(0, 40))
    match draw(st.integers(0, 4)):
        case 0:
            return Samples(*place, time, known, step, SHAPE, [1.0], "[1.0]")  # type: ignore[arg-type]
        case 1:
            rate = draw(st.sampled_from([0.0, 700.0]))
            return Samples(*place, time, known, None, TOKENS, [rate], f"[{rate}]")  # type: ignore[arg-type]
        case 2:
            state = draw(st.sampled_from(["eval", "save_ckpt", "wait", "rollout", "load"]))
            end = draw(st.one_of(st.none(), st.floats(1.8e9, 1.8e9 + 1e5)))
            return Interval(*place, known, role, state, step, time, end)  # type: ignore[arg-type]
        case 3:
            kind = draw(st.sampled_from(["cuda_oom", "traceback", "nan", "env_error", "job_preempted", "other"]))
            return Problem(*place, time, known, "ERROR", kind, "CANCELLED AT x", 1, step)  # type: ignore[arg-type]
        case _:
            key, value = draw(
                st.sampled_from([("life", "finished"), ("life", "failed"), ("resumed_from", "7"), ("max_steps", "40")])
            )
            return RunFact(*place, time, known, key, value)  # type: ignore[arg-type]


@st.composite
def moves(draw: st.DrawFn) -> list[Move]:
    found: list[Move] = []
    for _ in range(draw(st.integers(1, 40))):
        role = draw(ROLES)
        wait = draw(st.sampled_from([0.0, 1.0, 30.0, 700.0, 4000.0, 90_000.0]))
        found.append((role, wait, draw(st.lists(events(role), max_size=4))))
    return found


def played(script: list[Move], forgetful: bool, caught_up: int) -> list[Message]:
    tracker = LifeTracker("r", job_end=1.8e9 + 50_000)
    now, said = 1.8e9, []
    for number, (role, wait, given_events) in enumerate(script):
        if forgetful:
            tracker = LifeTracker("r", LifeState.decode(tracker.state.encode()), tracker.job_end)
        live = number >= caught_up
        now += wait if live else 0.0
        said += tracker.record(given_events, Source(f"{role}.log", role), now, live)
        if live:
            said += tracker.tick(now)
    return said


@pytest.mark.real
@settings(max_examples=100, deadline=None)
@given(moves(), st.integers(0, 20))
def test_a_state_that_was_put_away_and_taken_up_again_tells_the_same(script: list[Move], caught_up: int) -> None:
    assert played(script, True, caught_up) == played(script, False, caught_up)


# A run that failed goes on, and fails again in the same second of its log.
TWICE: list[Move] = [
    ("trainer", 0.0, [RunFact("trainer.log", 1, 0, None, "observed", "life", "failed")]),
    ("trainer", 30.0, []),
    (
        "trainer",
        0.0,
        [
            Samples("trainer.log", 1, 0, None, "observed", 0, SHAPE, [1.0], "[1.0]"),
            Problem("trainer.log", 1, 0, 1.8e9, "logged", "ERROR", "cuda_oom", "CUDA out of memory", 1, 0),
        ],
    ),
    ("trainer", 700.0, []),
]


@pytest.mark.real
@settings(max_examples=100, deadline=None)
@given(moves(), st.integers(0, 20))
@example(TWICE, 0)
def test_an_incident_is_told_before_it_is_over_and_each_only_once(script: list[Move], caught_up: int) -> None:
    said = played(script, False, caught_up)
    opened: set[str] = set()
    keys = [m.key for m in said if m.kind not in ("started", "resumed", "time_limit")]
    for message in said:
        if message.resolved:
            assert message.episode in opened
            opened.discard(message.episode)
        else:
            opened.add(message.episode)
    assert len(keys) == len(set(keys))


@pytest.mark.real
@settings(max_examples=100, deadline=None)
@given(moves())
def test_reading_what_stood_there_tells_nothing(script: list[Move]) -> None:
    assert played(script, False, len(script)) == []
