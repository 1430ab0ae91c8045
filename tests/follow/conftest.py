"""A path and a reader of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from follow_tail import Tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.fixture
def tail(path: Path) -> Tail:
    return Tail(path)
