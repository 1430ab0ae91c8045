"""What is compiled says what Python says, of any text; without a compiler all is read as well."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from rli_agent.parsers import cutting
from rli_agent.parsers.cutting import MOST_PAIRS, cut_in_python, newlines_in_python, value_at_in_python
from rli_agent.parsers.printed_values import PrintedValues, floats

ROOT = Path(__file__).parents[1]
PIECES = st.sampled_from([
    b"loss", b"val/a:b@1", b":", b" - ", b" -", b"-", b"- ", b" ", b"0.5", b"-1e-06", b"nan", b",", b"\n", b"\0",
    b"\xc3\xa9", b"np.float64(", b"np.int32(", b"np.float16(", b"np.float6(", b"np.float64", b"np.", b")", b"", b"(",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=200)
SIGNS = st.sampled_from([b" - ", b":", b"=", b", ", b"", b"--", b"\xc3\xa9"])

HEADERS = Path(sysconfig.get_paths()["include"], "Python.h")
compiled = pytest.mark.skipif(
    not HEADERS.exists() or not (shutil.which("cc") or shutil.which("gcc")),
    reason="no compiler, or no Python.h, is here",
)


@compiled
def test_it_was_compiled_where_a_compiler_is() -> None:
    assert cutting.cut is not cut_in_python
    assert cutting.newlines is not newlines_in_python


@given(TEXTS, SIGNS, SIGNS)
@example(b"a:np.float64(0.5) - b:np.int32(7)", b" - ", b":")
@example(b"a:np.float64() - b:np.float64()x - c:np.float64(1", b" - ", b":")
@example(b"a:np.float - b:np.int - c:np.int3)", b" - ", b":")
def test_a_line_is_cut_as_python_cuts_it(text: bytes, between: bytes, assign: bytes) -> None:
    found, expected = cutting.cut(text, between, assign), cut_in_python(text, between, assign)
    assert (found and found[:2]) == (expected and expected[:2])


#: What JSON takes for a number, and what only looks like one.
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
LIKE_NUMBERS = NUMBERS | st.floats().map(repr) | st.text("-+0123456789.eE", max_size=130) | st.integers().map(str)


@compiled
@given(st.lists(LIKE_NUMBERS, min_size=1, max_size=8))
@example(["1" * 100])
@example(["1" * 101])
@example(["1e100"])
@example(["-0"])
@example(["1e-99", "01"])
def test_values_that_are_called_plain_are_numbers_one_by_one_and_together(values: list[str]) -> None:
    found = cutting.cut(" - ".join(f"k{i}={value}" for i, value in enumerate(values)).encode(), b" - ", b"=")
    if found is None:  # a value holds what parts pairs
        return
    _, printed, plain = found
    if plain:
        lazy, eager = PrintedValues(printed, len(values)), floats(printed)
        assert (
            [cutting.value_at(printed, i) for i in range(len(values))] == [lazy[i] for i in range(len(values))] == eager
        )
        assert [value_at_in_python(printed, i) for i in range(len(values))] == eager
        assert lazy == eager == list(lazy)
        assert (len(lazy), lazy[1:], lazy[-1]) == (len(eager), eager[1:], eager[-1])
    elif all(len(value) <= 100 for value in values):
        assert not all(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,2})?", value, re.ASCII) for value in values)


@pytest.mark.parametrize("cut", [cutting.cut, cut_in_python])
def test_a_line_is_cut_into_keys_and_values(
    cut: Callable[[bytes, bytes, bytes], tuple[bytes, str, bool] | None],
) -> None:
    told = b"actor/kl:0.5 - val/a:b@1:np.float64(-1e-06) - lr:1"
    assert (cut(told, b" - ", b":") or ())[:2] == (b"actor/kl\nval/a:b@1\nlr", "[0.5,-1e-06,1]")
    assert cut(b"actor/kl:0.5 - val", b" - ", b":") is None
    assert cut(b"a:1\xc3\xa9", b" - ", b":") is None
    pairs = [b"k:1"] * MOST_PAIRS
    assert cut(b" - ".join(pairs), b" - ", b":") is not None
    assert cut(b" - ".join([*pairs, b"k:1"]), b" - ", b":") is None


@given(st.lists(st.integers(0, 3000) | st.integers(0, 5), max_size=60), st.booleans(), st.data())
def test_newlines_are_counted_whatever_the_lines_are_like(lengths: list[int], ended: bool, data: st.DataObject) -> None:
    text = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended else b"")
    start, stop = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))
    assert cutting.newlines(text, start, stop) == newlines_in_python(text, start, stop)
    assert cutting.newlines(text, 0, len(text)) == text.count(b"\n")


@compiled
def test_wrong_arguments_are_refused() -> None:
    for wrong in (lambda: cutting.newlines(b"a", 0, 2), lambda: cutting.newlines(b"a", -1, 1)):
        with pytest.raises(ValueError, match="within"):
            wrong()
    with pytest.raises(TypeError):
        cutting.cut("text", b" - ", b":")  # type: ignore[arg-type]
    for printed, index in (("[1,2]", 2), ("[1,2]", -1), ("", 0)):
        with pytest.raises(IndexError):
            cutting.value_at(printed, index)
    for printed in ("[x]", "[]", f"[{'1' * 101}]"):
        with pytest.raises(ValueError, match=r"number|float"):
            cutting.value_at(printed, 0)


@pytest.mark.real
def test_it_installs_and_reads_without_a_compiler(tmp_path: Path) -> None:
    tree, packages = tmp_path / "tree", tmp_path / "packages"
    ignored = shutil.ignore_patterns("__pycache__", "*.so", ".*", "build", "tests", "docs", "*.egg-info")
    shutil.copytree(ROOT, tree, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    asked = [*pip, "--no-build-isolation", "--target", str(packages), str(tree)]
    subprocess.run(asked, env={**os.environ, "CC": "/nowhere/cc"}, capture_output=True, check=True)
    assert not list(packages.rglob("*.so"))
    paths = os.pathsep.join([str(packages), sysconfig.get_path("purelib")])
    read = [sys.executable, "-S", "-m", "rli_agent", "parse", str(ROOT / "samples" / "verl")]
    told = subprocess.run(read, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    mine = [sys.executable, "-m", "rli_agent", "parse", str(ROOT / "samples" / "verl")]
    assert told.stdout == subprocess.run(mine, capture_output=True, text=True, check=True).stdout != ""
