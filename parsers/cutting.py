"""The loops over every byte of a step line and of a block: by a compiled module where installation could build it
(_cutting.c), else in Python. Both say the same (tests/test_cutting.py)."""

from __future__ import annotations

import re

#: Pairs of a line from which on it is not cut.
MOST_PAIRS = 1_000
_WRAPPED = re.compile(rb"np\.(?:float|int)(?:16|32|64)\(([^(),]*)\)")


def cut_in_python(text: bytes, between: bytes, assign: bytes) -> tuple[bytes, str, bool] | None:
    """`key:value - key:value` as its keys, a newline between two, and its values as a JSON array, if they are numbers;
    NumPy 2's `np.float64(0.5)` is 0.5. The last `assign` of a pair parts it. None where one has none, where there are
    too many, and where a value holds a comma or is not ASCII. Also whether all values are surely numbers that a float
    holds, which only the compiled one looks at."""
    if not between or not assign:
        return None
    keys, signs, values = zip(*[part.rpartition(assign) for part in text.split(between, MOST_PAIRS)], strict=True)
    if text.find(b"np.") >= 0:
        values = tuple(_bare(value) if value[:3] == b"np." else value for value in values)
    printed = b"[" + b",".join(values) + b"]"
    if len(keys) > MOST_PAIRS or b"" in signs or printed.count(b",") >= len(keys) or not printed.isascii():
        return None
    return b"\n".join(keys), printed.decode(), False


def _bare(value: bytes) -> bytes:
    found = _WRAPPED.fullmatch(value)
    return found[1] if found is not None else value


def value_at_in_python(printed: str, index: int) -> float:
    """One value of such an array, whose values are surely numbers."""
    return float(printed[1:-1].split(",", index + 1)[index])


def newlines_in_python(data: bytes, start: int, stop: int) -> int:
    """How many there are from `start` on and before `stop`."""
    return data.count(b"\n", start, stop)


try:
    from rli_agent.parsers._cutting import cut as cut
    from rli_agent.parsers._cutting import newlines as newlines
    from rli_agent.parsers._cutting import value_at as value_at
except ImportError:  # no compiler was there
    cut, value_at, newlines = cut_in_python, value_at_in_python, newlines_in_python
