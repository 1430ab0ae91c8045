"""Discord's webhooks."""

from __future__ import annotations

import hashlib
from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Notice
from rli_agent.alerts.channels.chat import ChatChannel
from rli_agent.alerts.picture import picture
from rli_agent.alerts.post import post
from rli_agent.terminal import cut

#: Discord's limits: an embed's title, its description, a field's value; all of an embed has at most 6000 characters.
_TITLE, _DESCRIPTION, _DO = 256, 1900, 700
_COLOURS = {"critical": 0xFF0000, "warning": 0xFFA500, "info": 0x3B82F6}
_GREEN = 0x00C000
_FILE = "curve.png"


def form(notice: Notice) -> dict[str, Any]:
    """The notice as an embed. Nobody is mentioned, whatever the text holds."""
    message = notice.message
    fields = [{"name": name, "value": value, "inline": name != "Numbers"} for name, value in words.facts(message)]
    if message.todo:
        fields.append({"name": "Do", "value": cut(message.todo, _DO), "inline": False})
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


def with_picture(form: dict[str, Any], shown: bytes) -> tuple[bytes, str]:
    """The form with a picture that comes with it, as `multipart/form-data`: the body, and its type."""
    form = {**form, "attachments": [{"id": 0, "filename": _FILE}]}
    form["embeds"] = [{**form["embeds"][0], "image": {"url": f"attachment://{_FILE}"}}]
    mark = hashlib.sha256(shown).hexdigest()
    parts = (
        (b'name="payload_json"\r\nContent-Type: application/json', words.encoded(form)),
        (f'name="files[0]"; filename="{_FILE}"\r\nContent-Type: image/png'.encode(), shown),
    )
    body = b"".join(
        b"--" + mark.encode() + b"\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + part + b"\r\n"
        for head, part in parts
    )
    return body + b"--" + mark.encode() + b"--\r\n", f"multipart/form-data; boundary={mark}"


class DiscordChannel(ChatChannel):
    """A channel of Discord."""

    form = staticmethod(form)

    def deliver(self, notice: Notice) -> Answer:
        if notice.message.curve is None:
            return super().deliver(notice)
        body, kind = with_picture(form(notice), picture(notice.message.curve))
        return post(self._url, body, notice.key, self._timeout, {"Content-Type": kind})
