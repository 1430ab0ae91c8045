"""What configuration files state: in TOML, YAML and JSON, one by one or of each item of a list, with the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_trees import write

from rli_agent.discover.configs import config_facts, setting

WANTED = {"environments": ["train.env.*.name|id", "env.*.id"], "model": ["model.name"], "max_steps": ["max_steps"]}
TOML = """max_steps = 12
[model]
name = "m"
[[train.env]]
id = "a/math"
name = "math"
[[train.env]]
id = "code"
[[train.env]]
id = "code"
"""


def stated(path: Path) -> dict[str, tuple[str, int]]:
    return {fact.key: (fact.value, fact.line) for fact in config_facts([path], WANTED)}


def test_each_item_of_a_list_says_its_own_once(tmp_path: Path) -> None:
    file = tmp_path / "rl.toml"
    file.write_text(TOML)
    assert stated(file) == {"environments": ("math, code", 5), "model": ("m", 3), "max_steps": ("12", 1)}


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_json_and_yaml_say_the_same(tmp_path: Path, suffix: str) -> None:
    data = {"max_steps": 12, "model": {"name": "m"}, "env": [{"id": "a"}, {"id": None}, {}, {"id": "b"}]}
    file = tmp_path / f"rl.{suffix}"
    file.write_text(json.dumps(data, indent=1))
    assert {k: v for k, (v, _) in stated(file).items()} == {"environments": "a, b", "model": "m", "max_steps": "12"}


@pytest.mark.parametrize("text", ["env: []", "env: 3", "env: [3, [x]]", "train: {env: null}", "env: [{id: '${x}'}]"])
def test_what_states_nothing_is_no_fact(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rl.yaml"
    file.write_text(text)
    assert stated(file) == {}


def test_a_setting_is_told_with_its_value_as_it_is(tmp_path: Path) -> None:
    broken, file = tmp_path / "broken.yaml", tmp_path / "config.yaml"
    broken.write_text("a: [\n")
    file.write_text("a:\n  b: false\nc: null\n")
    assert setting([broken, file], ["x.y", "a.b"]) == (False, file, 2)
    assert setting([file], ["c"]) == (None, file, 3)
    assert setting([file], ["a.c", "d"]) is None


KEYS = st.sampled_from(["train", "env", "model", "name", "id", "max_steps"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_configuration_is_read_without_complaint(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(data))
    for _, line in stated(file).values():
        assert line >= 1


def test_config_facts_take_the_first_place_that_states_something(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "x:\n  y: ${z}\n  steps: -1\nn: true\n", "b.yaml": "x: 7\ny: {'steps': 5, name: m}\n"})
    wanted = {"steps": ["x.steps", "y.steps"], "name": ["x.y", "n", "y.name"], "gone": ["q"]}
    facts = config_facts([tmp_path / "a.yaml", tmp_path / "b.yaml"], wanted)
    assert [(f.key, f.value, f.file.name, f.line) for f in facts] == [
        ("steps", "5", "b.yaml", 2),
        ("name", "m", "b.yaml", 2),
    ]
