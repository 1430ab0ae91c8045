"""States as spans: which trace they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.publish.spans.ids import lone_trace_id, root_id, span_ids, trace_id
from rli_agent.publish.spans.layouts import Flat, Span, Trace
from rli_agent.publish.spans.rows import State
from rli_agent.publish.spans.steps import GRACE, SILENCE, SLACK, Steps

RUN = "r-1"


def state(name: str, start: float, end: float, step: int | None, lane: str = "trainer", place: str = "") -> State:
    return State(end, start, end, lane, name, step, place or f"log\0{start}\0")


def step(number: int, start: float, end: float) -> State:
    return state("step", start, end, number)


def places(traces: Sequence[Trace]) -> dict[bytes, set[str]]:
    """Trace → the states in it."""
    found: dict[bytes, set[str]] = {}
    for trace in traces:
        for span in trace:
            found.setdefault(span.home.trace, set()).add(span.state)
    return found


def laid_out(states: Sequence[State], final: bool = True) -> dict[bytes, set[str]]:
    layout = Steps(RUN)
    layout.add(states, 0.0)
    return places(layout.take(0.0, final))


# -- a step is a trace


def test_the_states_of_all_lanes_lie_under_the_root_of_their_step() -> None:
    layout = Steps(RUN)
    layout.add([state("rollout", 0, 60, 7, "env 1"), state("update_actor", 60, 90, 7), step(7, 0, 100)], 0.0)
    assert layout.take(0.0) == []
    (trace,) = layout.take(GRACE)
    root, *rest = trace
    assert (root.state, root.home.step, root.home.parent, root.id) == ("step", 7, b"", root_id(RUN, 1, 7))
    assert {span.state for span in rest} == {"rollout", "update_actor"}
    assert all(span.home.parent == root.id and span.home.trace == trace_id(RUN, 1, 7) for span in rest)
    assert layout.since() is None


def test_a_later_step_closes_a_step_at_once() -> None:
    layout = Steps(RUN)
    layout.add([step(1, 0, 100), state("rollout", 100, 150, 2), step(2, 100, 200)], 0.0)
    assert places(layout.take(0.0)) == {trace_id(RUN, 1, 1): {"step"}}
    assert layout.since() == 150


def test_a_state_that_outlives_its_step_belongs_to_the_step_in_which_it_ended() -> None:
    assert laid_out([step(1, 0, 100), state("save_ckpt", 90, 150, 1), step(2, 100, 200), step(3, 200, 300)]) == {
        trace_id(RUN, 1, 1): {"step"},
        trace_id(RUN, 1, 2): {"step", "save_ckpt"},
        trace_id(RUN, 1, 3): {"step"},
    }


def test_a_state_that_outlives_its_step_may_be_told_of_first() -> None:
    told = [state("save_ckpt", 90, 150, 1), step(1, 0, 100), step(2, 100, 200)]
    assert laid_out(told)[trace_id(RUN, 1, 2)] == {"step", "save_ckpt"}


def test_a_state_without_a_step_belongs_to_the_one_in_which_it_ended() -> None:
    assert laid_out([step(1, 0, 100), state("wake", 110, 120, None), step(2, 100, 200), step(3, 200, 300)]) == {
        trace_id(RUN, 1, 1): {"step"},
        trace_id(RUN, 1, 2): {"step", "wake"},
        trace_id(RUN, 1, 3): {"step"},
    }


def test_the_state_keeps_the_step_that_the_text_gives_and_else_gets_its_traces() -> None:
    layout = Steps(RUN)
    layout.add([step(1, 0, 100), state("save_ckpt", 90, 150, 1), state("wake", 110, 120, None), step(2, 100, 200)], 0)
    spans = [span for trace in layout.take(0.0, True) for span in trace]
    assert {span.state: span.home.step for span in spans if span.state != "step"} == {"save_ckpt": 1, "wake": 2}


def test_what_ended_before_the_first_step_is_a_trace_of_its_own() -> None:
    load = state("load", -50, -10, None)
    layout = Steps(RUN)
    layout.add([load], 0.0)
    assert layout.take(1000.0) == []  # the first step may have begun by then
    layout.add([step(1, 0, 100)], 0.0)
    found = [span for trace in layout.take(GRACE, True) for span in trace if span.state == "load"]
    assert [(span.home.trace, span.home.parent) for span in found] == [(lone_trace_id(RUN, load), b"")]


def test_a_rollout_ahead_of_its_step_waits_for_it() -> None:
    layout = Steps(RUN)
    ahead = state("rollout", 10, 90, 3, "orchestrator")
    layout.add([ahead, step(1, 0, 100), step(2, 100, 200)], 0.0)
    layout.take(GRACE)
    assert layout.since() == 90
    layout.add([step(3, 200, 300)], 10.0)
    assert places(layout.take(10.0 + GRACE)) == {trace_id(RUN, 1, 3): {"step", "rollout"}}


def test_what_is_told_late_goes_to_the_trace_that_was_sent() -> None:
    layout = Steps(RUN)
    layout.add([step(1, 0, 100)], 0.0)
    layout.take(GRACE)
    layout.add([state("rollout", 0, 60, 1, "env"), state("wake", 10, 20, None)], 10.0)
    (trace,) = layout.take(10.0)
    assert {span.state: span.home.parent for span in trace} == dict.fromkeys(("rollout", "wake"), root_id(RUN, 1, 1))


def test_steps_done_again_after_a_restart_are_other_traces() -> None:
    again = [state("rollout", 300, 350, 2), step(2, 300, 400)]
    found = laid_out([step(1, 0, 100), step(2, 100, 200), *again, step(3, 400, 500)])
    assert found == {
        trace_id(RUN, 1, 1): {"step"},
        trace_id(RUN, 1, 2): {"step"},
        trace_id(RUN, 2, 2): {"step", "rollout"},
        trace_id(RUN, 2, 3): {"step"},
    }


def test_the_same_step_told_by_another_rank_is_no_restart() -> None:
    other = state("step", 0.5, 100.2, 1, place="rank 1")
    assert laid_out([step(1, 0, 100), other, step(2, 100, 200)]).keys() == {trace_id(RUN, 1, 1), trace_id(RUN, 1, 2)}


def test_a_step_that_no_line_tells_of_gets_a_root() -> None:
    layout = Steps(RUN)
    layout.add([state("rollout", 10, 60, 1, "env"), state("reward", 60, 70, 1, "env"), step(2, 100, 200)], 0.0)
    root, *rest = next(trace for trace in layout.take(GRACE) if trace[0].home.step == 1)
    assert (root.state, root.id, root.start, root.end) == ("step", root_id(RUN, 1, 1), 10, 70)
    assert {span.state for span in rest} == {"rollout", "reward"}


def test_steps_without_roots_are_over_when_their_lanes_are_silent() -> None:
    layout = Steps(RUN)
    end = 70 + SILENCE
    layout.add([state("rollout", 10, 70, 1, "env"), state("rollout", end - 5, end, 2, "env")], 0.0)
    assert layout.take(GRACE) == []
    layout.add([state("rollout", end, end + 1, 2, "env")], 0.0)
    assert places(layout.take(GRACE)) == {trace_id(RUN, 1, 1): {"step", "rollout"}}


def test_the_real_root_takes_the_place_of_one_that_was_made_up() -> None:
    layout = Steps(RUN)
    layout.add([state("rollout", 10, 60, 1, "env")], 0.0)
    ((made_up, _),) = layout.take(0.0, True)
    layout.add([step(1, 0, 100)], 1.0)
    ((real,),) = layout.take(1.0 + GRACE)
    assert (made_up.id, made_up.home.trace) == (real.id, real.home.trace)
    assert (made_up.end, real.end) == (60, 100)


def test_so_many_states_without_an_end_of_their_step_are_not_kept_for_ever() -> None:
    layout = Steps(RUN)
    layout.add([state("rollout", i, i + 1, 9, "env", str(i)) for i in range(60_000)], 0.0)
    assert sum(len(trace) for trace in layout.take(0.0)) == 60_001
    assert layout.since() is None


# -- laws


@st.composite
def runs(draw: st.DrawFn) -> list[State]:
    """A run told of in the order in which things ended: steps one after the other, some of them done again."""
    told: list[State] = []
    at = 1.7e9
    number = draw(st.integers(0, 50))
    for _ in range(draw(st.integers(1, 8))):
        start, at = at, at + draw(st.floats(5.0, 100.0))
        told.append(step(number, start, at))
        for i in range(draw(st.integers(0, 4))):
            begin, end = sorted(draw(st.tuples(st.floats(start - 50, at), st.floats(start, at + 50))))
            own = draw(st.sampled_from([None, number, number, number + 1]))
            told.append(state(f"s{i}", begin, end, own, draw(st.sampled_from(["env", "trainer"])), f"{len(told)}"))
        number = max(0, number + draw(st.sampled_from([1, 1, 1, 1, -2])))
    return sorted(told, key=lambda s: s.at)


def cut(told: list[State], cuts: list[int]) -> Iterator[list[State]]:
    bounds = sorted({0, len(told), *(c % (len(told) + 1) for c in cuts)})
    for low, high in pairwise(bounds):
        yield told[low:high]


def sent(told: list[State], cuts: list[int], restarts: bool) -> list[Span]:
    """What is sent when the run comes in such pieces, between which time passes or the agent is started anew."""
    layout, spans, now, done = Steps(RUN), [], 0.0, 0
    for piece in cut(told, cuts):
        layout.add(piece, now)
        spans += [span for trace in layout.take(now) for span in trace]
        now, done = now + GRACE / 2, done + len(piece)
        if restarts:
            since = layout.since()
            layout = Steps(RUN, json.loads(json.dumps(layout.memory())))
            if since is not None:
                layout.add([s for s in told[:done] if s.at >= since], now)
    spans += [span for trace in layout.take(now, True) for span in trace]
    assert layout.since() is None
    return spans


@pytest.mark.real
@given(told=runs(), cuts=st.lists(st.integers(0, 1000), max_size=6))
def test_every_state_is_sent_once_under_a_root_of_its_trace(told: list[State], cuts: list[int]) -> None:
    spans = sent(told, cuts, restarts=False)
    roots = {span.home.trace: span.id for span in spans if not span.home.parent}
    assert all(span.home.parent == roots[span.home.trace] for span in spans if span.home.parent)
    ids = [(span.home.trace, span.id) for span in spans]
    assert len(ids) == len(set(ids))
    known = set(span_ids(RUN, told))
    made_up = [span for span in spans if span.state == "step" and not span.home.parent]
    assert len(spans) - len(made_up) == len(told) - sum(s.state == "step" for s in told)
    assert {span.id for span in spans if span.state != "step"} <= known


@pytest.mark.real
@given(told=runs(), cuts=st.lists(st.integers(0, 1000), max_size=6))
def test_pieces_and_restarts_repeat_spans_and_make_no_others(told: list[State], cuts: list[int]) -> None:
    told_of = {(s.start, s.end) for s in told if s.state == "step"}

    def identity(spans: list[Span]) -> set[tuple[object, ...]]:
        """All but the times of roots that are made up of what is there."""
        made_up = {s.id for s in spans if not s.home.parent and (s.start, s.end) not in told_of}
        times = {s.id: (s.start, s.end) for s in spans if s.id not in made_up}
        return {(s.home.trace, s.id, s.home.parent, s.state, s.home.step, times.get(s.id)) for s in spans}

    whole = identity(sent(told, [], restarts=False))
    assert identity(sent(told, cuts, restarts=False)) == whole
    assert identity(sent(told, cuts, restarts=True)) == whole


@given(states=st.lists(st.builds(state, st.text(), st.floats(), st.floats(), st.none() | st.integers()), max_size=5))
def test_flat_states_are_roots_named_by_their_state(states: list[State]) -> None:
    layout = Flat(RUN)
    layout.add(states, 0.0)
    traces = layout.take(0.0)
    assert [(s.home.parent, s.state, s.home.step) for (s,) in traces] == [(b"", s.state, s.step) for s in states]


def test_the_tolerance_of_stamps() -> None:
    late, later = 100 + SLACK, 100 + SLACK + 0.5
    assert laid_out([step(1, 0, 100), state("save_ckpt", 90, late, 1), step(2, 101, 200)])[trace_id(RUN, 1, 1)] == {
        "step", "save_ckpt",
    }  # fmt: skip
    assert laid_out([step(1, 0, 100), state("save_ckpt", 90, later, 1), step(2, 101, 200)])[trace_id(RUN, 1, 1)] == {
        "step"
    }
