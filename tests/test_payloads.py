"""Numbers and payloads in text: what is printed is read back, and nothing raises or takes long."""

import ast
import json
import math
import time
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rli_agent.parsers.payloads import (
    MAX_DEPTH,
    Quantity,
    assigned,
    duration,
    json_object,
    labelled,
    number,
    python_dict,
    quantity,
)


def same(one: object, other: object) -> bool:
    """Equal in value and type; NaN equals NaN."""
    return repr(one) == repr(other)


# -- number

FIGURES = st.one_of(st.floats(), st.integers(-(2**70), 2**70))
WRAPPINGS = ("{}", "np.float64({})", "np.float32({})", "tensor({})", "tensor({}, device='cuda:0')", " {}\t")


@given(FIGURES, st.sampled_from(WRAPPINGS))
def test_number_reads_what_python_prints(value: float | int, wrapping: str) -> None:
    assert same(number(wrapping.format(repr(value))), value)


@given(st.integers(-(10**12), 10**12))
def test_number_reads_thousands(value: int) -> None:
    assert number(f"{value:,}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0.000", -0.0),
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("True", 1),
        ("False", 0),
        ("np.True_", 1),
        ("np.bool_(True)", 1),
        ("np.int64(2)", 2),
        ("np.float32(nan)", math.nan),
        ("tensor(1.)", 1.0),
        ("tensor(0.5, grad_fn=<MulBackward0>)", 0.5),
        ("1e999", math.inf),
    ],
)
def test_number_in_other_spellings(text: str, value: float) -> None:
    assert same(number(text), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "1,23",
        "1,2345",
        "--1",
        "1_000",
        "0x10",
        "1 2",
        "٣",
        "info",
        "nan-1",
        "f(1)",
        "np.float64(1",
        "1" * 201,
    ],
)
def test_number_refuses(text: str) -> None:
    assert number(text) is None


# -- quantity and duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61.02s", Quantity(61.02, "s")),
        ("1m 17s", Quantity(77.0, "s")),
        ("1h 2m", Quantity(3720.0, "s")),
        ("1d 3h", Quantity(97200.0, "s")),
        ("850ms", Quantity(0.85, "s")),
        ("12us", Quantity(12e-6, "s")),
        ("3 µs", Quantity(3e-6, "s")),
        ("1.5h", Quantity(5400.0, "s")),
        ("18.02 seconds.", Quantity(18.02, "s", ".")),
        ("2 minutes", Quantity(120, "s")),
        ("27.8%", Quantity(27.8, "percent")),
        ("95.9%, x", Quantity(95.9, "percent", ", x")),
        ("41.3 GiB", Quantity(41.3, "GiB")),
        ("5.2/23.7 GiB (22.1%)", Quantity(5.2, "GiB", "(22.1%)", 23.7)),
        ("102/128 (79.7%)", Quantity(102, None, "(79.7%)", 128)),
        ("0 / 256", Quantity(0, None, "", 256)),
        ("21910 tokens/s", Quantity(21910, "tokens/s")),
        ("402.3 tokens/sample", Quantity(402.3, "tokens/sample")),
        ("481,728 tokens", Quantity(481728, "tokens")),
        ("14.70x", Quantity(14.7, "x")),
        ("1.1M", Quantity(1.1e6, None)),
        ("2.3M", Quantity(2.3e6, None)),
        ("5.3K tokens/s", Quantity(5300.0, "tokens/s")),
        ("5m/s", Quantity(5, "m/s")),
        ("1 [train.py::568]", Quantity(1, None, "[train.py::568]")),
        ("  3.00e-06  ", Quantity(3e-06, None)),
        ("np.float64(0.5)", Quantity(0.5, None)),
        ("True", Quantity(1, None)),
        ("-inf", Quantity(-math.inf, None)),
    ],
)
def test_quantity(text: str, expected: Quantity) -> None:
    got = quantity(text)
    assert got == expected
    assert got is not None
    assert type(got.value) is type(expected.value)


@pytest.mark.parametrize(
    "text", ["", "x 5", "5:36:16", "2025-11-30", "10.0.0.5", "0.8.5", "nano", "inference 5", "-", "%"]
)
def test_no_quantity(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("61.02s", 61.02),
        ("1m 17s", 77.0),
        ("1h2m3s", 3723.0),
        ("850ms", 0.85),
        ("7.3 s", 7.3),
        ("00:01:11.836", 71.836),
        ("5:36:16", 20176.0),
        ("21:07", 1267.0),
        ("1 day, 3:04:05", 97445.0),
        ("4.5", 4.5),
        ("np.float64(4.5)", 4.5),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1s", "5 GiB", "27%", "soon", "1:2:3:4"])
def test_no_duration(text: str) -> None:
    assert duration(text) is None


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_duration_reads_every_humanised_form(days: int, hours: int, minutes: int, seconds: int) -> None:
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")) if n]
    assume(parts)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert duration(" ".join(parts)) == total
    assert duration("".join(parts)) == total
    assert duration(f"{days * 24 + hours}:{minutes:02}:{seconds:02}") == total


# -- pairs

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
