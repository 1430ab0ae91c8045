"""One HTTP request to a receiver, and what came back."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from rli_agent.alerts.channel import Answer, why
from rli_agent.publish.retry_after import retry_after

_READ = 2000
#: What says that the receiver, not the message, is at fault.
_RECEIVERS = frozenset({401, 403, 404, 408, 410, 425, 429})


def checked_address(url: str) -> str:
    """The host that an address names, with its port where it has one.

    Raises ValueError, which says what is wrong but not with what.
    """
    if any(c <= " " or c > "~" for c in url):
        raise ValueError("the address holds spaces or characters that are no ASCII")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError("the address is no URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("the address does not begin with http:// or https:// and a host")
    if parts.username is not None:
        raise ValueError("a user name in the address is not supported; give it as a header")
    return f"{host}:{port}" if port is not None else host


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET: it is an error here."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(
    url: str, body: bytes, key: str, timeout: float, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> Answer:
    """Send it. `key` is the same for every try: a receiver that took it before can know it again. `timeout` is seconds
    to wait for a connection, and for each part of an answer. Never raises for what a network or a receiver can do."""
    given = {
        "Content-Type": "application/json",
        "User-Agent": "rli-agent",
        "Idempotency-Key": "".join(c if "!" <= c <= "~" else "_" for c in key)[:255],
        **(headers or {}),
    }
    request = urllib.request.Request(url, body, given, method=method)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=timeout) as reply:
            return Answer("taken", f"{reply.status} {_text(reply).strip()}".rstrip(), _spent(reply.headers))
    except urllib.error.HTTPError as error:
        with error:
            text = _text(error)
            refused = 400 <= error.code < 500 and error.code not in _RECEIVERS
            pause = _pause(error.headers.get("Retry-After"), text)
            return Answer("refused" if refused else "failed", f"{error.code} {text.strip()}".rstrip(), pause)
    except urllib.error.URLError as error:
        return Answer("failed", why(error.reason))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer("failed", why(error))


def _text(reply: IO[bytes]) -> str:
    try:
        return reply.read(_READ).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _spent(headers: Message) -> float | None:
    """Discord says with the last request that it takes for now when it takes the next one."""
    if headers.get("X-RateLimit-Remaining") != "0":
        return None
    return _pause(headers.get("X-RateLimit-Reset-After"), "")


def _pause(header: str | None, text: str) -> float | None:
    """What Retry-After asks for; Discord says it in the body too."""
    if header is not None:
        return retry_after(header)
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return retry_after(str(said.get("retry_after", ""))) if isinstance(said, dict) else None
