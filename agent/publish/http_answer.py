"""What receivers on HTTP say, and why nothing is heard of them."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests

from rli_agent.publish.naming import clean

#: A request to wait longer than this is not followed.
LONGEST_WAIT = 3600.0


def retry_after(said: str | None) -> float | None:
    """Seconds that the header Retry-After asks for; None where it does not, or cannot be understood."""
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            when = parsedate_to_datetime(said)
        except (TypeError, ValueError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        seconds = (when - datetime.now(timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None


def why(error: requests.RequestException) -> str:
    """Why there was no answer, in a few words."""
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS: {clean(str(error), 160)}"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
