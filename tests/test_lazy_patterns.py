"""Patterns that wait for their first use are all good ones, and say what compiled ones say."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rli_agent.life
import rli_agent.parsers
from rli_agent.parsers.lazy_patterns import _Lazy, lazy_pattern


def patterns() -> Iterator[tuple[str, Any]]:
    for package in (rli_agent.life, rli_agent.parsers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                values = list(value.values()) if isinstance(value, dict) else [value]
                for number, one in enumerate(values):
                    if isinstance(one, _Lazy):
                        yield f"{module.name}.{name} {number}", one


def test_each_of_them_can_be_compiled() -> None:
    found = dict(patterns())
    assert len(found) > 60
    assert all(re.compile(pattern.pattern, pattern.flags) for pattern in found.values())


@given(st.text("ab1 ", max_size=20))
def test_they_find_what_compiled_ones_find(text: str) -> None:
    pattern = r"a+(\d)?"
    lazy, compiled = lazy_pattern(pattern, re.ASCII), re.compile(pattern, re.ASCII)
    assert lazy.sub("-", text) == compiled.sub("-", text)
    assert lazy.findall(text) == compiled.findall(text)
    for look in ("match", "search", "fullmatch"):
        found, wanted = getattr(lazy, look)(text), getattr(compiled, look)(text)
        assert (found and found.span()) == (wanted and wanted.span())


def test_a_wrong_one_says_so_when_it_is_used() -> None:
    wrong = lazy_pattern("(")
    with pytest.raises(re.error, match="unterminated"):
        wrong.match("")
    with pytest.raises(AttributeError):
        attrgetter("nothing")(lazy_pattern("a"))
