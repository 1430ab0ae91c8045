"""Step lines of `key:value - key:value`, read in one pass: they say what they say value by value."""

from __future__ import annotations

import math
from datetime import timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.events import Samples, Source
from rli_agent.parsers.assigned_lines import MAX_SHAPES, AssignedLines
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.cutting import MOST_PAIRS
from rli_agent.parsers.literals import opening_of
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.packs import Pairs
from rli_agent.parsers.payloads import assigned
from rli_agent.parsers.quantities import number
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.rulebook import packaged_rules

SOURCE = Source("train.log", "trainer", packs=("verl",))
RULES = RuleSet([load_pack(packaged_rules() / "verl.yaml")], SOURCE)
KEYS = st.lists(
    st.sampled_from(["actor/kl", "actor/lr", "val-core/a:b/mean@1", "val-core/a:b/mean@2", "timing_s/gen", "é(%)"]),
    min_size=1, unique=True,
)  # fmt: skip
PRINTED = st.one_of(
    st.builds(str.format, st.sampled_from(("{}", "np.float64({})", "np.int32({})")), st.floats().map(repr)),
    st.integers().map(str),
    st.sampled_from(["1,000", "True", "007", ".5", "nan", "tensor(1.5, device='cuda:0')", "none", "0.5(x pid=1) a"]),
)  # fmt: skip


@pytest.mark.real
@given(KEYS, st.data())
def test_lines_of_a_shape_say_what_each_says_alone(keys: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(PRINTED, min_size=len(keys), max_size=len(keys)), min_size=1, max_size=6))
    told = [" - ".join(f"{key}:{value}" for key, value in zip(keys, row, strict=True)) for row in rows]
    text = "".join(f"(TaskRunner pid=7) step:{i} - {line}\n" for i, line in enumerate(told))
    parser = SourceParser(SOURCE, RULES, timezone.utc, 0.0)
    events = parser.feed(text.encode(), 0, 1) + parser.flush()
    found = {event.step: event for event in events if isinstance(event, Samples)}
    for step, line in enumerate(told):
        expected = [(key, number(value)) for key, value in assigned(line)]
        figures = found.get(step)
        assert ([] if figures is None else list(figures.shape.names)) == [key for key, _ in expected]
        for value, (_, wanted) in zip(figures.values if figures else (), expected, strict=True):
            assert wanted is not None
            assert value == float(wanted) or (math.isnan(value) and math.isnan(wanted))


def test_a_line_whose_keys_are_not_clear_is_left_to_others() -> None:
    lines = AssignedLines(RULES, Pairs())
    for _ in range(2):
        for unclear in (b"a:1 - a:2", b"a:1 - :2", b"a :1", b"a:1 -  b:2", b"a:1 - b:2,3", b"a:1 - b:"):
            assert lines.read(unclear, {}) is None


def test_a_key_that_is_new_on_each_line_fills_no_memory() -> None:
    lines = AssignedLines(RULES, Pairs())
    read = [lines.read(f"loss:{i} - val@{i}:0.5".encode(), {}) is not None for i in range(2 * MAX_SHAPES)]
    assert read == [True] * MAX_SHAPES + [False] * MAX_SHAPES


@pytest.mark.parametrize("pairs", [Pairs(between=""), Pairs(assign="")])
def test_pairs_with_nothing_between_are_left_to_others(pairs: Pairs) -> None:
    assert AssignedLines(RULES, pairs).read(b"loss:0.5 - kl:1", {}) is None


def test_a_line_of_too_many_pairs_is_left_to_others() -> None:
    lines = AssignedLines(RULES, Pairs())
    assert lines.read(" - ".join(f"k{i}:1" for i in range(MOST_PAIRS)).encode(), {}) is not None
    assert lines.read(" - ".join(f"k{i}:1" for i in range(MOST_PAIRS + 1)).encode(), {}) is None


@pytest.mark.parametrize(
    ("pattern", "opening"),
    [
        (r"^step:(?P<step>\d+) - (?P<rest>.+)", r"^step:(?P<step>\d+) - (?=.)"),
        (r"^(?P<rest>.+)", r"^(?=.)"),
        (r"step:(?P<step>\d+) - (?P<rest>.+)", None),  # anywhere on the line
        (r"^step:(?P<step>\d+) - (?P<rest>.+)$", None),
        (r"^(?:a+)+ (?P<rest>.+)", None),  # may take long
        (r"^(?:ab|cd) (?P<rest>.+)", None),
        (r"^(?i:a) (?P<rest>.+)", None),
        (r"^a++\p{L} (?P<rest>.+)", None),  # unknown to the standard library
        (r"^[[:alpha:]]+ (?P<rest>.+)", None),  # something else to it
    ],
)
def test_a_pattern_has_an_opening_where_the_rest_of_the_line_are_figures(pattern: str, opening: str | None) -> None:
    assert opening_of(pattern, "rest") == opening
