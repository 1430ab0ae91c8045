"""What a scanner looks for in place of a literal."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from rli_agent.parsers.literals import searched


@given(st.text(st.sampled_from("a.-= "), min_size=1))
def test_what_is_searched_stands_in_the_literal_and_ends_in_no_run(literal: str) -> None:
    short = searched(literal)
    assert literal.startswith(short)
    assert not short.endswith(tuple(2 * c + c for c in ".-= a")) or len(set(short)) == 1
    assert searched(short) == short


MADE_READY = """
import resource
from rli_agent.events import Source
from rli_agent.rulebook import Rulebook
book = Rulebook([], [])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
book.rules_for(Source("train.log", "trainer", packs=tuple(book.packs)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_shipped_rules_are_made_ready_with_little_memory() -> None:
    """Some of their literals end in dots: as they stand these take 40 MB."""
    told = subprocess.run([sys.executable, "-c", MADE_READY], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert int(told) < 20_000, "kilobytes"
