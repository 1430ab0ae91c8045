"""Globs of rule packs: tails of paths, and names that never cross a slash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.parsers.globs import Glob

NAME = st.text(st.sampled_from("ab.*?[]^\\-!_ é\n"), min_size=1, max_size=6).filter(
    lambda n: n not in ("**", ".", "..")
)
PLAIN = st.text(st.sampled_from("ab.^\\-!_ é\n("), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("glob", "path", "base"),
    [
        ("logs/*.log", "/d/run/logs/trainer.log", "/d/run/"),
        ("logs/*.log", "logs/trainer.log", ""),
        ("logs/*.log", "/d/logs/a/trainer.log", None),
        ("logs/*.log", "/d/mylogs/trainer.log", None),
        ("logs/**/x.log", "/d/logs/x.log", "/d/"),
        ("logs/**/x.log", "/d/logs/a/b/x.log", "/d/"),
        ("**/logs/x", "/d/logs/x", "/d/"),
        ("wandb/**", "/d/wandb/a/b", "/d/"),
        ("**", "/d/a", ""),
        ("[0-9]*.jsonl", "/d/12.jsonl", "/d/"),
        ("[!0-9]*.jsonl", "/d/12.jsonl", None),
        ("a?c", "/d/a/c", None),
        ("a[b", "/d/a[b", "/d/"),
    ],
)
def test_where_a_glob_matches(glob: str, path: str, base: str | None) -> None:
    assert Glob(glob).base(path) == base
    assert Glob(glob).fits(path) is (base is not None)


@given(PLAIN, PLAIN)
def test_plain_text_fits_itself_alone(name: str, other: str) -> None:
    assert Glob(name).fits("/d/" + name)
    assert Glob(name).fits("/d/" + other) is (name == other)


@given(NAME, st.lists(PLAIN, min_size=1, max_size=3))
def test_where_a_run_is_entered_does_not_matter(glob: str, parts: list[str]) -> None:
    path = "/".join(parts)
    assert Glob(glob).fits(path) == Glob(glob).fits("/any/where/" + path) == Glob("**/" + glob).fits(path)
    assert Glob(glob).fits(path) == Glob(glob).fits(parts[-1])
