"""Whatever the text says, `/metrics` is valid and gives back what was said."""

from __future__ import annotations

import math
import threading

import pytest
from expositions import (
    CATALOGUE,
    NOW,
    TRAINER,
    Found,
    check_text,
    exposition,
    interval,
    problem,
    samples,
    scrape,
    shape,
    statistics,
    value,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rli_agent.events import (
    Event,
    Interval,
    Problem,
    RolloutBatch,
    RunFact,
    Samples,
    Shape,
    Source,
)
from rli_agent.publish.exposition import Exposition, RunLabels

# Small alphabets, so that names, labels and roles meet; and all of Unicode, surrogates and controls with it.
TEXT = st.one_of(
    st.text('ab/_-:"\\\n\r\x00\x85\ud800é{}, ', max_size=4), st.text(st.characters(exclude_categories=()), max_size=8)
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
LABELS = st.lists(
    st.tuples(st.one_of(TEXT, st.sampled_from(["role", "run", "__name__", "stat", "lane", "environment"])), TEXT),
    max_size=3,
).map(tuple)
METRICS = st.one_of(st.none(), st.sampled_from(sorted(q.name for q in CATALOGUE)), TEXT)


@st.composite
def lines(draw: st.DrawFn) -> Samples:
    figures = draw(
        st.lists(st.tuples(TEXT, st.one_of(st.none(), TEXT, st.just("percent")), METRICS, FLOATS), max_size=4)
    )
    parts = list(zip(*figures, strict=True)) or [(), (), (), ()]
    make = Shape(parts[0], parts[1], parts[2], draw(LABELS))
    return Samples(
        "f", 1, 0, draw(TIMES), "logged", draw(st.one_of(st.none(), st.integers(0, 99))), make, list(parts[3]), ""
    )


TIMES = st.one_of(st.none(), st.floats(0, 4e9))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    lines(),
    st.builds(Interval, TEXT, st.just(1), st.just(0), st.just("logged"), TEXT, st.one_of(TEXT, st.just("step")),
              st.one_of(st.none(), st.integers(0, 9)), TIMES, TIMES, st.one_of(st.none(), FLOATS), st.none(), LABELS),
    st.builds(Problem, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"), st.sampled_from(["ERROR", "WARNING"]),
              TEXT, TEXT, st.integers(1, 9), st.none(), st.none(), LABELS),
    st.builds(RolloutBatch, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"), st.none(),
              st.sampled_from(["train", "eval"]), TEXT, st.builds(statistics, st.lists(FLOATS, max_size=3), TEXT)),
    st.builds(RunFact, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"),
              st.sampled_from(["max_steps", "x"]), TEXT),
)  # fmt: skip
SOURCES = st.builds(Source, TEXT, st.one_of(TEXT, st.just("trainer")), TEXT, st.just("text"), st.just(()), LABELS)


@pytest.mark.real
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(RunLabels, TEXT, TEXT, TEXT, TEXT),
    st.lists(st.tuples(st.lists(EVENTS, max_size=5), SOURCES), min_size=1, max_size=3),
    st.integers(16, 200),
)
def test_whatever_the_text_says_the_exposition_is_valid(
    run: RunLabels, commits: list[tuple[list[Event], Source]], limit: int
) -> None:
    it = Exposition(run, CATALOGUE, series_limit=limit, clock=lambda: NOW)
    counted: Found = {}
    for events, source in commits:
        it.record(events, source)
        found = scrape(it)  # checks syntax, one label set a name, no series twice, the same in both formats
        assert sum(not n.startswith("rli_agent_") for n, _ in found) <= limit
        assert value(found, "rli_agent_series") <= limit
        for key, count in counted.items():
            assert found[key] >= count, "counters only rise"
        counted = {key: v for key, v in found.items() if key[0].endswith("_total") and key[0].startswith("rl_")}


@pytest.mark.real
@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=50))
def test_a_label_value_comes_back_as_it_was(text: str) -> None:
    it = exposition()
    it.record([samples(shape("a", environment=text), 1)], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a", environment=text) == 1


@pytest.mark.real
@settings(max_examples=100, deadline=None)
@given(FLOATS)
def test_a_value_comes_back_exactly(number: float) -> None:
    it = exposition()
    it.record([samples(shape("a"), number)], TRAINER)
    got = value(scrape(it), "rl_insight_monitor_a")
    assert got == number or (math.isnan(got) and math.isnan(number))


def test_text_is_bounded() -> None:
    it = exposition()
    it.record([samples(shape("k" * 100_000, environment="v" * 100_000), 1)], Source("f", "r" * 100_000))
    assert max(map(len, it.render(False).splitlines())) < 1500


def test_scrapes_and_reading_go_on_side_by_side() -> None:
    it = exposition()
    done = threading.Event()
    faults: list[BaseException] = []

    def scraper() -> None:
        try:
            while not done.is_set():
                check_text(it.render(False).decode())
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=scraper) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 400):
        keys = [f"k{step % 37}", "always"]
        it.record([samples(shape(*keys, environment=str(step % 5)), step, step, step=step), problem()], TRAINER)
        it.record([interval(f"s{step % 3}", float(step), None if step % 2 else step + 1.0)], TRAINER)
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    found = scrape(it)
    assert value(found, "rl_step") == 399
    assert value(found, "rl_problems_total", kind="nan") == 399
