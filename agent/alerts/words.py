"""A message in words and as plain data: what the forms of all channels are made of."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

from msgspec import structs, to_builtins

from rli_agent.events import as_printed
from rli_agent.message import Curve, Message
from rli_agent.terminal import cut, plain

_TITLE, _TEXT, _TODO, _LABEL, _LINK = 1000, 16_000, 2000, 300, 500
#: Values that a line of text shows of a curve.
_DRAWN = 40
_BLOCKS = "▁▂▃▄▅▆▇█"


def cleaned(message: Message) -> Message:
    """The message without control characters, and of bounded length: parts of it were printed by the run."""
    return structs.replace(
        message,
        kind=cut(plain(message.kind), _LABEL),
        episode=plain(message.episode),
        title=cut(plain(message.title), _TITLE),
        text=cut(plain(message.text), _TEXT),
        todo=cut(plain(message.todo), _TODO),
        labels=tuple((name, cut(plain(value), _LABEL)) for name, value in message.labels),
        links=tuple((name, plain(address)) for name, address in message.links),
        curve=None if message.curve is None else structs.replace(message.curve, series=plain(message.curve.series)),
    )


def as_data(message: Message) -> dict[str, Any]:
    """The message as JSON tells it. `id` is the incident: the message that says it is over has the same, and status
    resolved. Numbers that are not finite are the strings "NaN", "Infinity" and "-Infinity"."""
    return {
        "version": 1,
        "status": "resolved" if message.resolved else "firing",
        "id": message.episode,
        "kind": message.kind,
        "severity": message.severity,
        **dict(message.labels),
        "step": message.step,
        "time": rfc3339(message.time),
        "since_step": message.since_step,
        "since": rfc3339(message.since) if message.since is not None else None,
        "title": message.title,
        "message": message.text,
        "recommendation": message.todo,
        "values": {name: as_printed(value) for name, value in message.values},
        "links": {name.lower(): address for name, address in message.links},
        "curve": to_builtins(message.curve),
    }


def encoded(data: object) -> bytes:
    """Data as JSON in ASCII."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def facts(message: Message) -> list[tuple[str, str]]:
    """What identifies the message and what it decided by, as names and short texts."""
    labels = dict(message.labels)
    told = [("Run", labels.get("run", "")), ("Project", labels.get("project", "")), ("Time", rfc3339(message.time))]
    if message.step is not None:
        told.append(("Step", str(message.step)))
    since = [f"step {message.since_step}"] if message.since_step is not None else []
    since += [rfc3339(message.since)] if message.since is not None else []
    told.append(("Since", ", ".join(since)))
    told.append(("Numbers", ", ".join(f"{name} {value:.4g}" for name, value in message.values)))
    told = [(name, cut(value, 300)) for name, value in told if value]
    told += [("Curve", drawn(message.curve))] if message.curve is not None else []
    return told + [(name, address) for name, address in message.links if len(address) <= _LINK]


def drawn(curve: Curve) -> str:
    """The curve in one line of text, with its first and last value."""
    values = curve.values[-_DRAWN:]
    low, high = min(values), max(values)
    span, top = high - low, len(_BLOCKS) - 1
    blocks = "".join(_BLOCKS[round((v - low) / span * top) if 0.0 < span < math.inf else 0] for v in values)
    steps = [step for step in curve.steps[-_DRAWN:] if step is not None]
    where = f", steps {steps[0]} to {steps[-1]}" if steps else ""
    return f"{cut(curve.series, 80)} {values[0]:.4g} {blocks} {values[-1]:.4g}{where}"


def in_full(message: Message) -> str:
    """All of the message as plain text."""
    lines = [message.title, "", *(f"{name}: {value}" for name, value in facts(message))]
    lines += ["", message.text] if message.text else []
    lines += ["", f"Do: {message.todo}"] if message.todo else []
    return "\n".join(lines) + "\n"


def word(message: Message) -> str:
    """What weight it has, in one word."""
    return "RESOLVED" if message.resolved else message.severity.upper()


def headed(message: Message, again: int) -> str:
    """The title, which says so if it is told again."""
    return f"still: {message.title}" if again else message.title


def rfc3339(time: float) -> str:
    """A moment, in UTC."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(messages: list[Message]) -> Message:
    """Several messages as one, of the weight of the weightiest."""
    if len(messages) == 1:
        return messages[0]
    order = ("info", "warning", "critical")
    severity = max((m.severity for m in messages), key=order.index)
    last = messages[-1]
    texts = []
    for number, m in enumerate(messages, 1):
        lines = [f"{number}. [{word(m)}] {m.title}", *m.text.split("\n")[:6], *([f"Do: {m.todo}"] if m.todo else [])]
        texts.append("\n".join(line for line in lines if line))
    title = f"{len(messages)} messages: " + "; ".join(m.title for m in messages)
    return structs.replace(
        last, kind="several", severity=severity, title=cut(title, _TITLE), text="\n\n".join(texts),
        episode=f"{messages[0].key}+{len(messages)}", todo="", resolved=all(m.resolved for m in messages),
        since=None, since_step=None, values=(), curve=None,
    )  # fmt: skip
