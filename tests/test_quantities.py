"""Numbers and quantities in text: what is printed is read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from printed_figures import FIGURES, same

from rli_agent.parsers.quantities import Quantity, duration, number, quantity

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
