"""Why nothing is heard of a receiver on HTTP."""

from __future__ import annotations

import requests

from rli_agent.publish.naming import clean


def why(error: requests.RequestException) -> str:
    """Why there was no answer, in a few words."""
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS: {clean(str(error), 160)}"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
