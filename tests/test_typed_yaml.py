"""YAML read into structs: every mistake is named with its place, and the nearest valid key."""

from __future__ import annotations

import contextlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from rli_agent.parsers.packs import Pack
from rli_agent.parsers.typed_yaml import TypedYamlError, read_typed


class Inner(Struct, forbid_unknown_fields=True):
    pattern: str = ""


class Cat(Struct, forbid_unknown_fields=True, tag="cat", tag_field="type"):
    colour: str = ""
    mood: Literal["good", "bad"] = "good"


class Dog(Struct, forbid_unknown_fields=True, tag="dog", tag_field="type"):
    color: str = ""


class Outer(Struct, forbid_unknown_fields=True):
    name: str
    many: list[Inner] = []
    named: dict[str, Inner | None] = {}
    number: int = 0
    pets: list[Cat | Dog] = []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nnumbr: 3\n", "f:2:1: unknown key `numbr`; did you mean `number`?"),
        ("name: a\nmany:\n  - {patern: x}\n", "f:3:6: unknown key `patern`; did you mean `pattern`?"),
        ("name: a\nnamed:\n  x: {patern: x}\n", "unknown key `patern`; did you mean `pattern`?"),
        ("name: a\nzzz: 3\n", "f:2:1: unknown key `zzz`; known keys here: many, name, named, number, pets"),
        ("name: a\nnumber: three\n", "f:2:9: Expected `int`, got `str` (in $.number)"),
        ("number: 3\n", "f:1:1: missing key `name` (in $)"),
        ("name: a\npets: [{type: cet}]\n", "f:2:15: unknown value `cet`; did you mean `cat`?"),
        ("name: a\npets: [{type: whale}]\n", "f:2:15: unknown value `whale`; there are: cat, dog"),
        ("name: a\npets: [{type: dog, colour: x}]\n", "f:2:20: unknown key `colour`; did you mean `color`?"),
        ("name: a\npets: [{type: cat, mood: god}]\n", "f:2:26: unknown value `god`; did you mean `good`?"),
        ("name: a: b\n", "f:1:8: mapping values are not allowed in this context; quote values with single quotes"),
        ("- a\n", "f:1:1: not a mapping; known keys: many, name, named, number, pets"),
        ("", "f:1:1: not a mapping"),
        ("name: " + "[" * 60 + "]" * 60, "f:1:56: nested deeper than 50 levels"),
        ("name: \x00", "f:1:"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_the_mend(text: str, said: str) -> None:
    with pytest.raises(TypedYamlError) as error:
        read_typed(text, "f", Outer)
    assert said in str(error.value)


def test_only_true_and_false_are_booleans() -> None:
    assert read_typed("name: no", "f", Outer).value.name == "no"
    assert read_typed("name: on", "f", Outer).value.name == "on"


def test_numbers_are_those_of_yaml_1_2() -> None:
    class Numbers(Struct):
        values: list[float]

    assert read_typed("values: [1e-4, 2E3, 1.5e+2, -3]", "f", Numbers).value.values == [1e-4, 2000.0, 150.0, -3.0]


def test_an_error_points_at_a_path() -> None:
    document = read_typed("name: a\nmany:\n  - {pattern: x}\n  - {pattern: y}\n", "f", Outer)
    assert str(document.error(".many[1].pattern", "bad")) == "f:4:15: bad"
    assert str(document.error(".absent", "bad")) == "f:1:1: bad"


@given(st.text(alphabet="nameny:- {}[]&*!|>'\"#\n\t%ab3", max_size=60))
def test_nothing_but_its_own_error_comes_out(text: str) -> None:
    for kind in (Outer, Pack):
        with contextlib.suppress(TypedYamlError):
            read_typed(text, "f", kind)  # type: ignore[arg-type]
