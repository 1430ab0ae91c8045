"""Templates of requests: text or JSON with `{{name}}` where a part of the message is to stand."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any

from rli_agent.alerts.words import as_data
from rli_agent.message import Message

#: Labels that a message may lack: it is then nothing.
_LABELS = ("project", "experiment_name", "run", "framework")
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
#: What a message may hold, to try a template on: characters that break text made without care, and absent parts.
_TRIALS = (
    Message("stalled", "critical", 'a "title"\n\\', "two\nlines\t\x7f{{step}}", 1.8e9, "r/stalled/1", 7, "do",
            labels=(("project", 'p"'), ("run", "r")), since=1.8e9, since_step=3, values=(("kl", float("nan")),)),
    Message("finished", "info", "", "", 1.8e9, "r/finished/1"),
)  # fmt: skip


class Template:
    """A body with places to fill.

    Given as YAML (a mapping or a list) it becomes JSON: a text that is nothing but a place takes the value as it is,
    also a number, null or an object; others take it as text. Given as text it is filled in as text, where it is to be
    JSON with the value's characters escaped as JSON wants them. `{{json}}` is the whole message.
    """

    def __init__(self, body: Any, json_type: bool) -> None:
        """Raises ValueError for a place that no message fills, and for text that would be no JSON but should be."""
        self._body = body
        self._json = json_type
        for trial in _TRIALS:
            filled = self.fill(as_data(trial) | {"repeated": 0})
            if not json_type:
                continue
            try:
                json.loads(filled)
            except ValueError as error:
                raise ValueError(
                    f"the body, filled in, is not JSON ({error}): put text places within double quotes, or give a "
                    "Content-Type header that is not JSON"
                ) from None

    def fill(self, data: dict[str, Any]) -> bytes:
        """The body for a message, given as `words.as_data` gives it."""
        if isinstance(self._body, str):
            return _PLACE.sub(lambda place: self._as_text(_value(place[1], data)), self._body).encode()
        return json.dumps(_filled(self._body, data), allow_nan=False, default=str).encode()

    def _as_text(self, value: object) -> str:
        if not self._json:
            return _spoken(value)
        return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)


def _filled(node: Any, data: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        return {str(key): _filled(value, data) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, data) for value in node]
    if not isinstance(node, str):
        return node
    whole = _PLACE.fullmatch(node.strip())
    return _value(whole[1], data) if whole else _PLACE.sub(lambda place: _spoken(_value(place[1], data)), node)


def _spoken(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _value(name: str, data: dict[str, Any]) -> Any:
    if name == "json":
        return data
    if name == "severity_upper":
        return str(data["severity"]).upper()
    if name not in data and name not in _LABELS:
        known = [*data, *_LABELS, "json", "severity_upper"]
        near = difflib.get_close_matches(name, known, n=1)
        mend = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        raise ValueError(f"`{{{{{name}}}}}` is not a field of a message; {mend}")
    return data.get(name, "")
