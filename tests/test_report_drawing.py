"""Laws of a report's pictures: nothing is lost, nothing is drawn where it was not."""

from __future__ import annotations

import itertools
from datetime import timezone
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.report import drawing, scales
from rli_agent.report.changes import changes
from rli_agent.report.curves import Chart, Curve
from rli_agent.report.markup import Markup, data, el
from rli_agent.report.phases import Phase, columns, longest_in
from rli_agent.report.timeline import MOST, Span, timeline

spans = st.lists(
    st.tuples(st.floats(1.7e9, 1.7e9 + 1e6), st.floats(0, 1e4), st.sampled_from("abcd"), st.booleans()), min_size=1,
    max_size=60,
)  # fmt: skip


@given(spans)
def test_every_interval_is_in_a_row_and_moments_keep_their_order(told: list[tuple[float, float, str, bool]]) -> None:
    lanes: dict[str, list[Span]] = {}
    for start, length, state, other in told:
        lanes.setdefault("other" if other else "trainer", []).append(Span(start, start + length, state))
    found = timeline(lanes)
    assert found is not None
    drawn = [span for lane in found.lanes for row in lane.rows for span in row]
    assert sorted((s.start, s.state) for s in drawn) == sorted((start, state) for start, _, state, _ in told)
    moments = sorted([s.start for s in drawn] + [s.end for s in drawn if s.end is not None])
    places = [found.place(at) for at in moments]
    assert all(a <= b + 1e-3 for a, b in itertools.pairwise(places))
    assert found.place(found.start) == 0
    assert 0 < found.length <= found.end - found.start + 1e-6


def test_states_beside_each_other_share_a_row_and_those_around_them_do_not() -> None:
    lane = [Span(10.0 * n, 10.0 * n + 9.9, "step", n) for n in range(50)]
    lane += [Span(10.0 * n, 10.0 * n + 5, "rollout", n) for n in range(50)]
    lane += [Span(10.0 * n + 5, 10.0 * n + 9, "train", n) for n in range(50)]
    found = timeline({"trainer": lane})
    assert found is not None
    assert [sorted({span.state for span in row}) for row in found.lanes[0].rows] == [["step"], ["rollout", "train"]]


def test_a_week_away_is_drawn_as_a_break() -> None:
    lane = [Span(at + 10.0 * n, at + 10.0 * n + 9, "step", n) for at in (0.0, 604_800.0) for n in range(100)]
    found = timeline({"trainer": lane})
    assert found is not None
    assert found.breaks == [(999.0, 604_800.0)]
    assert found.length < 2100


@pytest.mark.real
def test_too_many_intervals_are_drawn_together_and_all_counted() -> None:
    number = 3 * MOST
    found = timeline({"trainer": [Span(float(n), n + 0.9, "ab"[n % 2], n) for n in range(number)]})
    assert found is not None
    drawn = [span for row in found.lanes[0].rows for span in row]
    assert len(drawn) <= MOST
    assert sum(span.count for span in drawn) == found.total == number
    assert drawn[0].start == 0.0
    assert drawn[-1].end == number - 1 + 0.9


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 10))
def test_ticks_lie_inside_and_are_few(low: float, length: float, most: int) -> None:
    found = scales.ticks(low, low + length, most)
    assert len(found) <= 3 * most + 2
    assert all(low - length * 0.01 <= tick <= low + length * 1.01 for tick in found)


def test_the_script_knows_where_the_pictures_lie() -> None:
    script = files("rli_agent.report").joinpath("page.js").read_text(encoding="utf-8")
    for name in ("WIDTH", "LEFT", "ROW", "GAP", "TOP", "NARROW"):
        assert f"{name} = {getattr(drawing, name)}" in script
    width, height = drawing.CHART
    margins = f"left: {drawing._LEFT}, right: {drawing._RIGHT}, above: {drawing._ABOVE}, below: {drawing._BELOW}"
    assert f"CHART = {{width: {width}, height: {height}, {margins}}}" in script
    assert f"HEAT = {{left: {drawing.HEAT_LEFT}, right: {drawing.HEAT_RIGHT}, row: {drawing.HEAT_ROW}}}" in script


def test_figures_on_an_axis_are_short() -> None:
    told = {0.0: "0", 0.25: "0.25", 1e-3: "1e-3", -0.00095: "-9.5e-4", 1234.0: "1234", 15e9: "15G", 2e4: "20k"}
    assert {value: scales.short(value) for value in told} == told


def test_clock_ticks_stand_at_round_times() -> None:
    assert [text for _, text in scales.clock_ticks(1_700_000_000, 1_700_007_200, timezone.utc, 5)] == [
        "22:30", "23:00", "23:30", "00:00",
    ]  # fmt: skip


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=800), st.integers(1, 240))
def test_columns_hold_each_step_once_and_show_the_longest(steps: set[int], most: int) -> None:
    bounds = columns(sorted(steps), most)
    assert len(bounds) <= most
    assert all(sum(a <= step <= b for a, b in bounds) == 1 for step in steps)
    phase = Phase("trainer", "step", {step: 1.0 + step for step in steps})
    cells = longest_in(phase, bounds)
    assert cells == [max(1.0 + s for s in steps if a <= s <= b) for a, b in bounds]


@given(st.text())
def test_text_is_never_markup(text: str) -> None:
    made = el("p", text, title=text)
    inside = made.removeprefix("<p").removesuffix("</p>")
    assert inside.count("<") == 0
    assert inside.count(">") == 1
    assert "<" not in data("x", [text])[len('<script type="application/json" id="x">') : -len("</script>")]
    assert el("p", Markup("<b>x</b>")) == "<p><b>x</b></p>"


def test_a_trend_is_a_change_and_noise_is_none() -> None:
    def chart(values: list[float], better: str = "up") -> Chart:
        curve = Curve({}, [(float(n), value) for n, value in enumerate(values)], True)
        return Chart("rl_reward_mean", [curve], better=better)

    (rise,) = changes([chart([0.1 + n / 100 for n in range(60)])])
    assert rise.better is True
    assert rise.after > rise.before
    (fall,) = changes([chart([0.9 - n / 100 for n in range(60)])])
    assert fall.better is False
    assert not changes([chart([0.5 + (n * 37 % 11) / 20 for n in range(60)])])
    assert not changes([chart([0.1, 0.9])])
