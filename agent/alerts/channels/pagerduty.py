"""PagerDuty's Events API v2. An incident of ours is one of theirs: the message that it is over resolves it."""

from __future__ import annotations

import hashlib
import socket
from typing import Any

from msgspec import structs

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.post import checked_address, post
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import PagerDuty
from rli_agent.durations import seconds
from rli_agent.message import Message
from rli_agent.terminal import cut

_SUMMARY, _DEDUP = 1024, 255


class PagerDutyChannel(Channel):
    """A service of PagerDuty."""

    keeps_incidents = True

    def __init__(self, settings: PagerDuty, secrets: Secrets) -> None:
        self._url = secrets.resolve(settings.url).rstrip("/") + "/v2/enqueue"
        self._key = secrets.secret(settings.routing_key)
        if len(self._key) != 32 or not self._key.isalnum():
            raise ValueError("`routing_key` is not 32 letters and digits")
        self._timeout = seconds(settings.timeout)
        super().__init__(settings.name, checked_address(self._url), secrets)

    def deliver(self, notice: Notice) -> Answer:
        answer = post(self._url, words.encoded(event(notice.message, self._key)), notice.key, self._timeout)
        # 400 says that the event is malformed: PagerDuty asks not to send it again.
        return structs.replace(answer, final=answer.outcome == "refused" and answer.text.startswith("400"))


def event(message: Message, key: str) -> dict[str, Any]:
    """The message as an event for `/v2/enqueue`."""
    incident = {"routing_key": key, "dedup_key": dedup_key(message.episode)}
    if message.resolved:
        return {**incident, "event_action": "resolve"}
    labels = dict(message.labels)
    data = words.as_data(message)
    payload = {
        "summary": cut(message.title or message.kind, _SUMMARY),
        "source": socket.gethostname() or "unknown",
        "severity": message.severity,
        "timestamp": words.rfc3339(message.time),
        "component": labels.get("framework", "rli-agent"),
        "group": labels.get("run", ""),
        "class": message.kind,
        "custom_details": {name: data[name] for name in data if name not in ("version", "status", "title")},
    }
    links = [{"href": address, "text": name} for name, address in message.links]
    return {
        **incident, "event_action": "trigger", "payload": payload, "client": "rli-agent",
        **({"links": links, "client_url": links[0]["href"]} if links else {}),
    }  # fmt: skip


def dedup_key(episode: str) -> str:
    """The incident's name as PagerDuty can hold it."""
    if len(episode) <= _DEDUP:
        return episode
    return f"{episode[:180]}-{hashlib.sha256(episode.encode('utf-8', 'replace')).hexdigest()}"
