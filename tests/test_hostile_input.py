"""What strangers write is read without a fault, and within bounds: real files, bent in every way. `make fuzz` goes on
from here with atheris, guided by what of the code is reached."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from fuzz_targets import TARGETS, seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: CPU seconds and bytes of memory that a hundred kilobytes may need: many times what they do.
SECONDS, BYTES = 20.0, 200 << 20
#: What parsers look for, and what they stumble over.
WORDS = st.sampled_from([
    b"\0", b"\n", b"\r", b"\r\n", b"\x1b[", b"\x1b]8;;", b"\xff\xfe", b"{", b"}", b"[", b"]", b'"', b"'", b"\\", b"\\u",
    b":", b" - ", b"|", b"=", b"nan", b"inf", b"-inf", b"1e999", b"9" * 400, b"-", b"+", b".", b"e", b"(", b")",
    b"np.float64(", b"tensor(", b"step:", b"Step ", b"Traceback (most recent call last):\n", b"  File \"a\", line 1\n",
    b"Error: ", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"%", b"100%|", b"it/s]", b"pid=", b"[rank0]:", b"23:59:59",
    b"2026-13-99 99:99:99", b"&a [*a]", b"!!python/object:os.system", b"- ", b"  ", b"\t", b"\xef\xbb\xbf",
    b"\x80\x00\x00\x00", b"\x7f" * 8,
])  # fmt: skip
#: Where, how much is taken out, and what is put there.
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 60), WORDS | st.binary(max_size=30), st.integers(1, 40))
EDITS = st.lists(EDIT, max_size=8)


def bent(seed: bytes, edits: list[tuple[float, int, bytes, int]]) -> bytes:
    for place, gone, put, times in edits:
        at = int(place * len(seed))
        seed = seed[:at] + put * times + seed[at + gone :]
    return seed


@pytest.mark.parametrize("target", TARGETS)
def test_bent_files_are_read(target: str) -> None:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
    @given(st.sampled_from(seeds(target)), EDITS)
    def read(seed: bytes, edits: list[tuple[float, int, bytes, int]]) -> None:
        TARGETS[target](bent(seed, edits))

    read()


@pytest.mark.parametrize("target", TARGETS)
@given(st.binary(max_size=2000))
@settings(max_examples=25)
def test_any_bytes_are_read(target: str, data: bytes) -> None:
    TARGETS[target](data)


#: A hundred kilobytes of what could take a parser long: nesting, repetition, no end.
LONG = {
    "open brackets": b"[" * 100_000, "open braces": b'{"a":' * 20_000, "quotes": b"'" * 100_000,
    "escapes": b"\\" * 100_000, "digits": b"9" * 100_000, "spaces": b" " * 100_000, "colons": b"a:" * 50_000,
    "pairs": b"step:1 - a:1" + b" - a:1" * 16_000, "a table": b"step 1 | " + b"a 1 | " * 16_000,
    "a dict": b"{'step': 1" + b", 'a': 1" * 12_000 + b"}", "colours": b"\x1b[1m" * 25_000, "bars": b"5%|\r" * 25_000,
    "tracebacks": b"Traceback (most recent call last):\n" * 3_000, "stamps": b"12:00:00 ERROR x\n" * 6_000,
    "pids": b"(a pid=1) " * 10_000, "anchors": b"a: &a [x,x]\nb: [" + b"*a," * 30_000 + b"]",
    "lists": b"- " * 50_000, "commas": b'{"a":1' + b',"a":1' * 16_000 + b"}\n", "newlines": b"\n" * 100_000,
    "equal signs": b"a=1, " * 20_000, "ends of escapes": b"\x1b]" + b"a" * 100_000, "parentheses": b"tensor(" * 14_000,
    "infinities": b'{"step":1,"a":1e999,"b":-1e999,"c":NaN}\n' * 2_500,
    "repeats": b"[repeated 9999999x across cluster]" * 3_000,
}  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("kind", LONG)
def test_what_could_take_long_does_not(kind: str) -> None:
    for target in TARGETS.values():
        begun = time.thread_time()
        target(LONG[kind])
        assert time.thread_time() - begun < SECONDS


@pytest.mark.real
@pytest.mark.parametrize("kind", ["open brackets", "open braces", "a dict", "anchors", "newlines"])
def test_what_could_need_much_memory_does_not(kind: str) -> None:
    tracemalloc.start()
    try:
        for name in ("text", "records", "payload", "pack"):
            tracemalloc.reset_peak()
            TARGETS[name](LONG[kind])
            assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()
