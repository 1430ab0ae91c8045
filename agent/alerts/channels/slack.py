"""Slack's incoming webhooks."""

from __future__ import annotations

from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Notice
from rli_agent.alerts.channels.chat import ChatChannel
from rli_agent.terminal import cut

#: Slack's limits: a header, a section's text; of the fields, of which a section has at most ten, a part.
_HEADER, _SECTION, _FIELD = 150, 3000, 1900


def form(notice: Notice) -> dict[str, Any]:
    """The notice in blocks. What the run printed is escaped, so that it mentions nobody."""
    message = notice.message
    weight = words.word(message)
    title = _shown(words.headed(message, notice.again), _SECTION - 20)
    fields = [f"*{name}:* {_shown(value, _FIELD)}" for name, value in words.facts(message)]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(f"{weight}: {message.kind}", _HEADER)}},
        {"type": "section", "text": {"type": "mrkdwn", "text": title or "(no title)"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": field} for field in fields[:10]]},
    ]
    if message.text:
        text = _shown(message.text.replace("```", "'''"), _SECTION - 10)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{text}```"}})
    if message.todo:
        todo = f"*Do:* {_shown(message.todo, _SECTION - 10)}"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": todo}})
    return {"text": f"[{weight}] {title}", "blocks": blocks}


def _shown(text: str, most: int) -> str:
    """The text escaped, and cut so that no escape is broken."""
    text = cut(text, most)
    escaped = _escaped(text)
    while len(escaped) > most:
        text = cut(text, len(text) - max(1, (len(escaped) - most) // 5))
        escaped = _escaped(text)
    return escaped


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackChannel(ChatChannel):
    """A channel of Slack."""

    form = staticmethod(form)
