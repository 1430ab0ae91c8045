"""The packs that ship: every rule has an example that it takes and a near miss that it leaves, and each comes true."""

from __future__ import annotations

from pathlib import Path

import pytest

from rli_agent.events import Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.rule_checks import check_pack
from rli_agent.rulebook import pack_files, packaged_rules


def test_verls_step_lines_are_read_by_the_shortest_way() -> None:
    """A rule that comes before it would cost a fifth of all reading."""
    packs = [load_pack(packaged_rules() / f"{name}.yaml") for name in ("verl", "vllm", "sglang", "problems")]
    rules = RuleSet(packs, Source("train.log", "trainer", packs=("verl",)), ["train.log"])
    assert {rule.id for rule in rules.leading if rule is not None} == {"verl/step-line"}


@pytest.mark.real
@pytest.mark.parametrize("path", [p for p in pack_files() if p.parent == packaged_rules()], ids=lambda path: path.stem)
def test_its_examples_hold(path: Path) -> None:
    _, findings = check_pack(path)
    assert [finding.text for finding in findings] == []
