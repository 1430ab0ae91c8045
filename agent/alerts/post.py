"""One POST to a webhook, and what came back."""

from __future__ import annotations

import email.utils
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import IO, Any

from msgspec import Struct

from rli_agent.alerts.endpoint import Endpoint
from rli_agent.alerts.payloads import body
from rli_agent.message import Message

#: Seconds to wait for a connection, and for each part of an answer.
TIMEOUT = 10.0
#: A receiver may ask for a longer pause than this; it gets this.
LONGEST_PAUSE = 3600.0
_READ = 2000
#: What says that the webhook, not the message, is at fault.
_ENDPOINTS = frozenset({401, 403, 404, 408, 410, 425, 429})


class Answer(Struct, frozen=True):
    """What a receiver said. `status` is None when nothing came back; `text` is then the reason, else the beginning of
    the body, without the webhook's address. `pause`: the seconds that it asks to be left alone."""

    status: int | None
    text: str
    pause: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver took the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether it was this message that it would not take: others may fare better."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _ENDPOINTS


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET: it is an error here."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(endpoint: Endpoint, message: Message, timeout: float = TIMEOUT) -> Answer:
    """Send it. Never raises for what a network or a receiver can do."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "rli-agent",
        # The same for every try of the same message: a receiver that took it before can know it again.
        "Idempotency-Key": "".join(c if "!" <= c <= "~" else "_" for c in message.key)[:255],
    }
    request = urllib.request.Request(endpoint.url, body(message, endpoint.form), headers, method="POST")
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=timeout) as reply:
            return Answer(reply.status, endpoint.without(_text(reply)))
    except urllib.error.HTTPError as error:
        with error:
            text = _text(error)
            return Answer(error.code, endpoint.without(text), _pause(error.headers.get("Retry-After"), text))
    except urllib.error.URLError as error:
        return Answer(None, endpoint.without(_why(error.reason)))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(None, endpoint.without(_why(error)))


def _why(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)


def _text(reply: IO[bytes]) -> str:
    try:
        return reply.read(_READ).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _pause(header: str | None, text: str) -> float | None:
    """Retry-After in seconds or as a date; Discord says it in the body too."""
    seconds: float | None = None
    if header is not None:
        try:
            seconds = float(header)
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
            except (ValueError, TypeError):
                seconds = None
    else:
        try:
            said = json.loads(text)
            seconds = float(said["retry_after"]) if isinstance(said, dict) else None
        except (ValueError, KeyError, TypeError):
            seconds = None
    if seconds is None or seconds != seconds:
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)
