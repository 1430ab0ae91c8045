"""A message as receivers want it: as plain JSON, for Slack, for Discord."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from msgspec import structs

from rli_agent.alerts.endpoint import Form
from rli_agent.message import Message
from rli_agent.terminal import plain

#: Slack's limits: a header, a section's text, a field; Discord's: title, description, a field.
_HEADER, _SECTION, _FIELD = 150, 3000, 2000
_TITLE, _DESCRIPTION, _VALUE = 256, 3800, 1024
_COLOURS = {"critical": 0xFF0000, "warning": 0xFFA500, "info": 0x3B82F6}
_GREEN = 0x00C000


def body(message: Message, form: Form) -> bytes:
    """What is posted. Valid JSON in UTF-8, within the receiver's limits."""
    words = {name: plain(getattr(message, name)) for name in ("title", "text", "todo")}
    labels = tuple((name, plain(value)) for name, value in message.labels)
    message = structs.replace(message, labels=labels, **words)
    made = {"slack": slack, "discord": discord, "json": as_it_is}[form](message)
    return json.dumps(made, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def as_it_is(message: Message) -> dict[str, Any]:
    """The message as it is. `id` is the incident: the message that says it is over has the same, and status
    resolved."""
    return {
        "version": 1,
        "status": "resolved" if message.resolved else "firing",
        "id": message.episode,
        "kind": message.kind,
        "severity": message.severity,
        **dict(message.labels),
        "step": message.step,
        "time": _rfc3339(message.time),
        "title": message.title,
        "message": message.text,
        "recommendation": message.todo,
    }


def slack(message: Message) -> dict[str, Any]:
    """For an incoming webhook. What the run printed is escaped, so that it mentions nobody."""
    head = f"{_word(message)}: {message.kind}"
    fields = [f"*{name}:* {_escaped(value)[: _FIELD - 50]}" for name, value in _facts(message)]
    title = _cut(_escaped(message.title), _SECTION)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(head, _HEADER)}},
        {"type": "section", "text": {"type": "mrkdwn", "text": title}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": field} for field in fields[:10]]},
    ]
    if message.text:
        text = _cut(_escaped(message.text.replace("```", "'''")), _SECTION - 10)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{text}```"}})
    if message.todo:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"*Do:* {_escaped(message.todo)}"}})
    return {"text": f"[{_word(message)}] {title}", "blocks": blocks}


def discord(message: Message) -> dict[str, Any]:
    """For a webhook of a channel. Nobody is mentioned, whatever the text holds."""
    fields = [{"name": name, "value": _cut(value, _VALUE), "inline": True} for name, value in _facts(message)]
    if message.todo:
        fields.append({"name": "Do", "value": _cut(message.todo, _VALUE), "inline": False})
    description = message.title
    if message.text:
        text = _cut(message.text.replace("```", "'''"), _DESCRIPTION - min(len(message.title), 1000) - 20)
        description = f"{_cut(message.title, 1000)}\n```\n{text}\n```"
    return {
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": _cut(f"{_word(message)}: {message.kind}", _TITLE),
                "description": _cut(description, _DESCRIPTION),
                "color": _GREEN if message.resolved else _COLOURS[message.severity],
                "timestamp": _rfc3339(message.time),
                "fields": fields[:10],
            }
        ],
    }


def _facts(message: Message) -> list[tuple[str, str]]:
    labels = dict(message.labels)
    told = [("Run", labels.get("run", "")), ("Project", labels.get("project", "")), ("Time", _rfc3339(message.time))]
    if message.step is not None:
        told.append(("Step", str(message.step)))
    return [(name, _cut(value, 300)) for name, value in told if value]


def _word(message: Message) -> str:
    return "RESOLVED" if message.resolved else message.severity.upper()


def _rfc3339(time: float) -> str:
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
