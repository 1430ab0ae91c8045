"""Two frameworks and an engine, which are enough to tell them from each other."""

from __future__ import annotations

from pathlib import Path

import pytest

import rli_agent.rules
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.packs import Pack


@pytest.fixture(scope="module")
def packs() -> dict[str, Pack]:
    folder = Path(rli_agent.rules.__path__[0])
    return {n: load_pack(folder / f"{n}.yaml") for n in ("prime-rl", "verl", "vllm")}
