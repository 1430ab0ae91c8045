"""Any receiver of HTTP requests: the message as JSON, or as a template says."""

from __future__ import annotations

import hashlib
import hmac

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.post import checked_address, post
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Webhook
from rli_agent.alerts.template import Template
from rli_agent.durations import seconds


class WebhookChannel(Channel):
    """A receiver of HTTP requests."""

    def __init__(self, settings: Webhook, secrets: Secrets) -> None:
        self._url = secrets.address(settings.url)
        self._method = settings.method
        self._headers = {name: header(secrets, name, value) for name, value in settings.headers.items()}
        json_type = all(
            name.lower() != "content-type" or "json" in value.lower() for name, value in self._headers.items()
        )
        self._template = Template(settings.body, json_type) if settings.body is not None else None
        self._sign = secrets.secret(settings.sign).encode() if settings.sign is not None else None
        self._sign_header = header(secrets, settings.sign_header, settings.sign_header)
        self._timeout = seconds(settings.timeout)
        super().__init__(settings.name, checked_address(self._url), secrets)

    def deliver(self, notice: Notice) -> Answer:
        data = words.as_data(notice.message)
        data["repeated"] = notice.again
        body = self._template.fill(data) if self._template is not None else words.encoded(data)
        headers = dict(self._headers)
        if self._sign is not None:
            headers[self._sign_header] = f"sha256={hmac.new(self._sign, body, hashlib.sha256).hexdigest()}"
        return post(self._url, body, notice.key, self._timeout, headers, self._method)


def header(secrets: Secrets, name: str, value: str) -> str:
    """A header's value, resolved. Raises ValueError for what no header can hold, without showing it."""
    resolved = secrets.secret(value) if name.lower() in _SECRET else secrets.resolve(value)
    if not all(" " <= c <= "~" for c in f"{name}{resolved}") or ":" in name or not name:
        raise ValueError(f"the header `{name}` holds characters that no header can hold")
    return resolved


_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
