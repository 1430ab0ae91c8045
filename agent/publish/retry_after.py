"""For how long a receiver on HTTP asks to be left alone."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

#: A receiver that asks for a longer pause than this (seconds) gets this.
LONGEST = 3600.0


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
    return min(max(seconds, 0.0), LONGEST) if seconds == seconds else None
