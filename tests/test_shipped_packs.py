"""The packs that ship: every rule has an example that it takes and a near miss that it leaves, and each comes true."""

from __future__ import annotations

from pathlib import Path

import pytest

from rli_agent.rule_checks import check_pack
from rli_agent.rulebook import pack_files, packaged_rules


@pytest.mark.real
@pytest.mark.parametrize("path", [p for p in pack_files() if p.parent == packaged_rules()], ids=lambda path: path.stem)
def test_its_examples_hold(path: Path) -> None:
    _, findings = check_pack(path)
    assert [finding.text for finding in findings] == []
