"""Values as the event file has them: JSON, whatever a program passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Characters of a name or a label's value that are kept.
LONGEST = 4096
#: Types of labels whose text follows from the value: what is made of them may be remembered.
PLAIN = frozenset({str, int, bool, type(None)})

_ENCODE = json.JSONEncoder(ensure_ascii=False, default=str).encode


def quoted(text: str) -> str:
    """A JSON string. What UTF-8 cannot hold becomes a question mark."""
    return _ENCODE(text[:LONGEST].encode("utf-8", "replace").decode())


def figure(value: float) -> str:
    """A JSON number, or the string "NaN", "Infinity" or "-Infinity"."""
    if value - value == 0:  # it is finite
        return repr(value)
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'


def labels(given: Mapping[str, Any]) -> str:
    """`,"labels":{…}` with each value as text, or nothing where there are none."""
    if not given:
        return ""
    return ',"labels":{' + ",".join(f"{quoted(str(k))}:{quoted(_text(v))}" for k, v in given.items()) + "}"


def attributes(given: Mapping[str, Any]) -> str:
    """`,"labels":{…}` with numbers and truth values as they are and all else as text."""
    if not given:
        return ""
    return ',"labels":{' + ",".join(f"{quoted(str(k))}:{_plain(v)}" for k, v in given.items()) + "}"


def _plain(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int and -(2**63) < value < 2**63:
        return str(value)
    return figure(value) if type(value) is float else quoted(_text(value))


def _text(value: Any) -> str:
    try:
        return value if type(value) is str else str(value)
    except Exception as error:  # an object whose text fails is no reason to lose the event
        return f"<{type(value).__name__}: {type(error).__name__}>"
