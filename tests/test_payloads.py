"""Lines and objects of figures: what is printed is read back, and nothing raises or takes long."""

import ast
import json
import math
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed_figures import FIGURES, same

from rli_agent.parsers.payloads import MAX_DEPTH, assigned, json_object, labelled, python_dict
from rli_agent.parsers.quantities import Quantity, duration, number, quantity

KEYS = st.text("abcXYZ019/@.-()_:", min_size=1, max_size=30)
PRINTED = st.builds(str.format, st.sampled_from(("{}", "np.float64({})", "np.int64({})")), FIGURES.map(repr))


@given(st.lists(st.tuples(KEYS, PRINTED)), st.sampled_from([(" - ", ":"), (", ", "="), ("|", ": ")]))
def test_assigned_inverts_the_rendering(pairs: list[tuple[str, str]], marks: tuple[str, str]) -> None:
    between, assign = marks
    assert assigned(between.join(f"{k}{assign}{v}" for k, v in pairs), between, assign) == pairs


@given(
    KEYS,
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers()).map(repr),
    st.sampled_from(
        [
            "(TaskRunner pid=1",
            "(A_0:0 Worker pid=1) Training Progress:   3%| 1/2",
            "Training Progress:   3%|",
            " INFO x",
        ]
    ),
)
def test_value_ends_where_something_is_glued_behind(key: str, value: str, tail: str) -> None:
    assert assigned(f"step:1 - {key}:{value}{tail}") == [("step", "1"), (key, value)]


def test_assigned_leaves_out_what_is_no_number() -> None:
    text = "step:1 - name:abc - empty: - :5 - prose - t:tensor(0.5, device='cuda:0') - ok: 2"
    assert assigned(text) == [("step", "1"), ("t", "tensor(0.5, device='cuda:0')"), ("ok", "2")]


LABELS = st.lists(st.from_regex(r"\A[A-Z][a-z]{1,8}[.\-]?\Z"), min_size=1, max_size=3).map(" ".join)
QUANTITIES = st.sampled_from(
    [
        ("0.0014", Quantity(0.0014, None)),
        ("nan", None),
        ("3.00e-06", Quantity(3e-06, None)),
        ("41.3 GiB", Quantity(41.3, "GiB")),
        ("102/128 (79.7%)", Quantity(102, None, "(79.7%)", 128)),
        ("27.8%", Quantity(27.8, "percent")),
        ("1m 17s", Quantity(77.0, "s")),
        ("21910 tokens/s", Quantity(21910, "tokens/s")),
        ("1 [train.py::568]", Quantity(1, None, "[train.py::568]")),
    ]
)


@pytest.mark.real
@given(st.lists(st.tuples(LABELS, st.booleans(), QUANTITIES)))
def test_labelled_inverts_the_rendering(parts: list[tuple[str, bool, tuple[str, Quantity | None]]]) -> None:
    text = " | ".join(f"{label}{':' if colon else ''} {printed}" for label, colon, (printed, _) in parts)
    expected = [(label, read or Quantity(math.nan, None)) for label, _, (_, read) in parts]
    assert same(labelled(text), expected)


@pytest.mark.parametrize(
    ("text", "between", "expected"),
    [
        ("   7.6s | Loss nan", "|", [("", 7.6), ("Loss", math.nan)]),
        ("Top 5 accuracy 0.3 | none | Val 0.5 ± 0.1", "|", [("Top 5 accuracy", 0.3), ("Val", 0.5)]),
        ("Grad. Norm: 0.0360 | Max Off-Policy 2", "|", [("Grad. Norm", 0.036), ("Max Off-Policy", 2)]),
        (
            "Avg prompt throughput: 0.5 tokens/s, Running: 18 reqs",
            ", ",
            [("Avg prompt throughput", 0.5), ("Running", 18)],
        ),
    ],
)
def test_labelled(text: str, between: str, expected: list[tuple[str, float]]) -> None:
    assert same([(label, read.value) for label, read in labelled(text, between)], expected)


# -- dicts

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
LITERALS = st.recursive(
    SCALARS | st.binary(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    ),
    max_leaves=15,
)
TABLES = st.dictionaries(st.text() | st.integers() | st.none(), LITERALS, max_size=6)


def flat(value: dict[object, object], prefix: str = "") -> dict[str, object]:
    out: dict[str, object] = {}
    for key, item in value.items():
        name = prefix + (key if isinstance(key, str) else repr(key))
        if isinstance(item, dict):
            out.update(flat(item, name + "/"))
        elif isinstance(item, bool):
            out[name] = int(item)
        elif isinstance(item, str):
            read = number(item)
            out[name] = item if read is None else read
        elif item is None or isinstance(item, int | float):
            out[name] = item
    return out


@pytest.mark.real
@given(
    TABLES, st.sampled_from(["", "metrics: ", '"Final: ', "x {y} "]), st.sampled_from(["", ' "', " {'later': 1}", "}"])
)
def test_python_dict_reads_what_repr_prints(table: dict[object, object], before: str, behind: str) -> None:
    printed = repr(table)
    assert same(python_dict(before + printed + behind), flat(ast.literal_eval(printed)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{'loss': 0.25, 'reward': np.float64(nan), 'lr': tensor(1e-6, device='cuda:0'), "
            "'a': {'b': 1}, 'c': [1, {'x': 2}]}",
            {"loss": 0.25, "reward": math.nan, "lr": 1e-6, "a/b": 1},
        ),
        ("{'loss': '0.25', 'epoch': '1', 'name': 'x'}", {"loss": 0.25, "epoch": 1, "name": "x"}),
        (
            "{'a': -inf, 'b': <Foo object at 0x7f>, 'c': {1, 2}, 'd': array([1., 2.]), 'e': 1,}",
            {"a": -math.inf, "e": 1},
        ),
        ("{'a': b'5', 'b': r'\\d', 'c': 'x' 'y'}", {"b": "\\d"}),
        ("{}", {}),
        ("{'outer': {'bad'}, 'a': 1}", {"a": 1}),
    ],
)
def test_python_dict(text: str, expected: dict[str, object]) -> None:
    assert same(python_dict(text), expected)


@pytest.mark.parametrize(
    "text", ["", "none", "{", "{'a': 1", "{'a'}", "{a b}", "{'a': 1]", "{'a': (1}", "{'it's': 1}", "{'a': }"]
)
def test_no_python_dict(text: str) -> None:
    assert python_dict(text) is None


def test_dicts_nested_too_deep_are_left_out() -> None:
    deep = 2 * MAX_DEPTH
    assert python_dict("{'a': 1, 'b': " + "{'c': " * deep + "1" + "}" * deep + "}") == {"a": 1}
    assert json_object('{"a": 1, "b": ' + '{"c": ' * deep + "1" + "}" * deep + "}") == {"a": 1}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.real
@given(st.dictionaries(st.text(), JSON, max_size=6), st.booleans(), st.sampled_from(["", "INFO metrics ", "\n"]))
def test_json_object_reads_what_json_prints(table: dict[object, object], ascii_only: bool, before: str) -> None:
    printed = before + json.dumps(table, ensure_ascii=ascii_only)
    expected = flat(table)
    assert same(json_object(printed), expected)
    assert same(json_object(printed.encode()), expected)


# -- hostile text

READERS: list[Callable[[str], object]] = [
    number, quantity, duration, assigned, labelled, python_dict, json_object, lambda text: assigned(text, ", ", "="),
]  # fmt: skip
ANY_CHARACTER = st.text(st.characters(exclude_categories=()))
STRUCTURE = st.lists(
    st.sampled_from(
        [*"{}[]()'\"\\:,-.0159eE =|/%dhms\n\0\ud800", "np.float64(", "tensor(", "nan", "pid=", " - ", "\\u", "'a': "]
    )
)


@given(ANY_CHARACTER | STRUCTURE.map("".join))
def test_nothing_raises(text: str) -> None:
    for read in READERS:
        read(text)


@given(st.binary())
def test_json_object_takes_any_bytes(raw: bytes) -> None:
    json_object(b"{" + raw + b"}")


@pytest.mark.parametrize("marks", [("", ":"), (" - ", ""), ("", "")])
def test_empty_marks_of_a_rule_do_no_harm(marks: tuple[str, str]) -> None:
    assert assigned("a:1", *marks) in ([], [("a", "1")])
    assert labelled("a 1", marks[0]) == [("a", Quantity(1, None))]


@pytest.mark.real
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "unit",
    [
        "{", "(", "[", "'", '"', "\\", " ", "9", "1 ", "1|", "1 1 1 1 1 1 1 1 |", "a:", ":1", "a:1 - ", "a:1( - ", "-",
        ".", "1,", "1,000", "{'a':", "{'a': 1, ", "{'a': [", "'a', ", "{ ", "{'", "np.float64(", "(x pid=", "a: ", "1/",
        "\\u0",
    ],
)  # fmt: skip
def test_long_hostile_texts_take_no_time(read: Callable[[str], object], unit: str) -> None:
    for text in (unit * ((1 << 20) // len(unit)), "{'a': " + unit * ((1 << 19) // len(unit))):
        assert min(seconds(read, text) for _ in range(3)) < 0.2


def seconds(read: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began
