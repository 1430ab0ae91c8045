"""Discord's webhooks."""

from __future__ import annotations

from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Notice
from rli_agent.alerts.channels.chat import ChatChannel
from rli_agent.alerts.words import cut

#: Discord's limits: an embed's title, its description, a field's value; all of an embed has at most 6000 characters.
_TITLE, _DESCRIPTION, _VALUE = 256, 3000, 1024
_COLOURS = {"critical": 0xFF0000, "warning": 0xFFA500, "info": 0x3B82F6}
_GREEN = 0x00C000


def form(notice: Notice) -> dict[str, Any]:
    """The notice as an embed. Nobody is mentioned, whatever the text holds."""
    message = notice.message
    fields = [{"name": name, "value": value, "inline": name != "Numbers"} for name, value in words.facts(message)]
    if message.todo:
        fields.append({"name": "Do", "value": cut(message.todo, _VALUE), "inline": False})
    title = cut(words.headed(message, notice.again), 1000)
    description = title
    if message.text:
        text = cut(message.text.replace("```", "'''"), _DESCRIPTION - len(title) - 10)
        description = f"{title}\n```\n{text}\n```"
    return {
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": cut(f"{words.word(message)}: {message.kind}", _TITLE),
                "description": description,
                "color": _GREEN if message.resolved else _COLOURS[message.severity],
                "timestamp": words.rfc3339(message.time),
                "fields": fields,
            }
        ],
    }


class DiscordChannel(ChatChannel):
    """A channel of Discord."""

    form = staticmethod(form)
