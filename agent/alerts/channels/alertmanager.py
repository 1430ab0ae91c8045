"""Prometheus' Alertmanager, API v2. It knows an alert by its labels alone, so step and numbers are annotations."""

from __future__ import annotations

import time
from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.channels.webhook import header
from rli_agent.alerts.post import checked_address, post
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Alertmanager
from rli_agent.durations import seconds
from rli_agent.message import Message

#: What happens and is over at once is shown for so many seconds: longer than Alertmanager waits to group (30 s).
_MOMENT = 300.0


class AlertmanagerChannel(Channel):
    """An Alertmanager."""

    keeps_incidents = True

    def __init__(self, settings: Alertmanager, secrets: Secrets) -> None:
        self._url = secrets.resolve(settings.url).rstrip("/") + "/api/v2/alerts"
        self._headers = {name: header(secrets, name, value) for name, value in settings.headers.items()}
        self._labels = dict(settings.labels)
        self._lasts = seconds(settings.lasts)
        self._timeout = seconds(settings.timeout)
        super().__init__(settings.name, checked_address(self._url), secrets)
        self.resend = seconds(settings.resend)

    def deliver(self, notice: Notice) -> Answer:
        body = words.encoded(alerts(notice, time.time(), self._lasts, self._labels))
        return post(self._url, body, notice.key, self._timeout, self._headers)


def alerts(notice: Notice, now: float, lasts: float, labels: dict[str, str]) -> list[dict[str, Any]]:
    """The notice, and the end of what came before it of the same incident under other labels: it was of another kind
    or weight."""
    message = notice.message
    ended = [_alert(told, now, labels) for _, told in notice.earlier if told.lasting]
    if message.resolved:
        return ended or [_alert(message, now, labels)]
    shown = _alert(message, now + (lasts if message.lasting else _MOMENT), labels)
    return [*(alert for alert in ended if alert["labels"] != shown["labels"]), shown]


def _alert(message: Message, ends: float, more: dict[str, str]) -> dict[str, Any]:
    data = words.as_data(message)
    annotations = {
        "summary": message.title,
        "description": message.text,
        "recommendation": message.todo,
        **{name: str(data[name]) for name in ("step", "since_step", "since") if data[name] is not None},
        **{f"value_{name}": str(value) for name, value in data["values"].items()},
        **{f"link_{name}": address for name, address in data["links"].items()},
    }
    start = min(message.time, ends)
    return {
        "labels": {
            **{name: value for name, value in message.labels if value},
            **more,
            "alertname": name_of(message.kind),
            "severity": message.severity,
            "kind": message.kind,
            "incident": message.episode,
        },
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": words.rfc3339(start),
        "endsAt": words.rfc3339(max(ends, start + 1.0)),
        **({"generatorURL": message.links[0][1]} if message.links else {}),
    }


def name_of(kind: str) -> str:
    """The alert's name: RL and the kind, its words joined (`kl_explosion` → RLKlExplosion)."""
    return "RL" + "".join(part.capitalize() for part in kind.split("_"))
