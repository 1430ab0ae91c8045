"""Which differences matter: those beyond what runs waver by themselves, and no others."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.compare.difference import LEAST, Difference, difference, wavering

FIGURES = st.dictionaries(st.integers(0, 60), st.floats(allow_nan=True, allow_infinity=True), max_size=40)


def run(seed: int, steps: int, *, alike: float = 0.0, moved: float = 0.0, since: int = 0) -> dict[int, float]:
    """A curve that rises by 3 and wavers by 0.5, `moved` from a step on; alike: by how much a step is like the one
    before."""
    source, state, found = random.Random(seed), 0.0, {}
    for step in range(steps):
        state = alike * state + math.sqrt(1 - alike * alike) * source.gauss(0.0, 1.0)
        found[step] = 10.0 + 3.0 * step / steps + 0.5 * state + (moved if step >= since else 0.0)
    return found


def share(verdicts: list[Difference]) -> float:
    return sum(d.matters for d in verdicts) / len(verdicts)


@pytest.mark.parametrize(
    ("steps", "alike", "most"),
    [(8, 0.5, 0.03), (16, 0.0, 0.01), (16, 0.8, 0.07), (60, 0.5, 0.01), (120, 0.0, 0.01), (120, 0.9, 0.02)],
)
def test_runs_that_differ_by_chance_alone_are_hardly_ever_told_apart(steps: int, alike: float, most: float) -> None:
    pairs = [difference(run(2 * n, steps, alike=alike), run(2 * n + 1, steps, alike=alike)) for n in range(400)]
    assert share(pairs) <= most  # docs/compare.md has the shares


@pytest.mark.parametrize(("steps", "moved"), [(16, 3.0), (50, 1.5), (200, 1.0)])
def test_runs_that_differ_are_told_apart(steps: int, moved: float) -> None:
    pairs = [difference(run(2 * n, steps), run(2 * n + 1, steps, moved=moved)) for n in range(100)]
    assert share(pairs) >= 0.8
    assert all(d.b > d.a for d in pairs if d.a is not None and d.b is not None and d.matters)


def test_it_is_said_since_when() -> None:
    found = difference(run(1, 200), run(2, 200, moved=4.0, since=120))
    assert found.verdict == "clear"
    assert found.since is not None
    assert 112 <= found.since <= 124


def test_what_never_wavers_differs_however_little_it_is_apart() -> None:
    rate = difference(dict.fromkeys(range(20), 1e-6), dict.fromkeys(range(20), 2e-6))
    assert (rate.verdict, rate.a, rate.b, rate.since) == ("clear", 1e-6, 2e-6, 0)
    assert difference(dict.fromkeys(range(20), 1.0), dict.fromkeys(range(20), 1.005)).verdict == "noise"


def test_only_equal_steps_count() -> None:
    a, b = run(1, 100), {step + 50: value for step, value in run(1, 100).items()}
    found = difference(a, b)
    assert (found.first, found.last, found.steps) == (50, 99, 50)
    assert difference(a, {step + 97: 1.0 for step in range(50)}).verdict == "few"
    assert difference(a, {}) == Difference("few")


def test_a_spike_is_no_difference() -> None:
    a = run(1, 60)
    assert difference(a, {**a, 57: 1e6}).matters is False


@given(FIGURES)
def test_a_run_is_the_same_as_itself(figures: dict[int, float]) -> None:
    assert difference(figures, figures).verdict in ("same", "few")


@given(FIGURES, FIGURES)
def test_any_figures_are_compared(a: dict[int, float], b: dict[int, float]) -> None:
    found, turned = difference(a, b), difference(b, a)
    assert (found.verdict, found.a, found.b, found.steps) == (turned.verdict, turned.b, turned.a, turned.steps)
    assert found.steps >= LEAST or found.verdict == "few"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_straight_line_more_or_less_changes_no_wavering(values: list[float]) -> None:
    assert wavering(values) >= 0.0
    assert wavering([5.0] * len(values)) == 0.0
