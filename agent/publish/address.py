"""Addresses that figures and spans are sent to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit, urlunsplit


def checked_url(text: str, what: str, example: str) -> str:
    """The URL, if `what` (spans …) could be sent there. Raises ValueError, with what to do, if not."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is not a URL to send {what} to: give a URL like {example}")
    if parts.username or parts.password:
        raise ValueError(f"the URL for {what} carries a password, which others see in the list of processes: remove it")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), parts.query, ""))


def is_loopback(url: str) -> bool:
    """Whether it is on this machine, where no proxy leads."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
