"""A rule looks at lines that hold one of its literals: no line that its pattern takes lacks them all."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rli_agent.parsers.compiled import CompiledRule
from rli_agent.parsers.packs import Pack
from rli_agent.rulebook import Rulebook

#: Rules that look at fewer lines than their patterns take, on purpose: what else these take says nothing.
FEWER = {
    "generic/figures-line", "generic/dict-line", "generic/end", "skyrl/logged-line", "skyrl/logged-figure",
    "slime/first-rollout-done", "slime/rollout-done",
}  # fmt: skip


def rules(pack: Pack) -> list[tuple[CompiledRule, re.Pattern[str]]]:
    """Those with literals whose patterns the standard library understands, of which lines can be made."""
    found = []
    for rule in [CompiledRule(rule, pack) for rule in pack.rules]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pattern = re.compile(rule.rule.pattern)
            except re.error:
                continue
        if rule.literals and rule.id not in FEWER:
            found.append((rule, pattern))
    return found


def check(rule: CompiledRule, pattern: re.Pattern[str]) -> None:
    @settings(max_examples=15, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern))
    def holds(text: str) -> None:
        if pattern.search(text) is not None:
            assert any(literal in text for literal in rule.literals), rule.id

    holds()


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(Rulebook([], []).packs))
def test_a_line_that_a_rule_takes_holds_one_of_its_literals(name: str) -> None:
    for rule, pattern in rules(Rulebook([], []).packs[name]):
        check(rule, pattern)
