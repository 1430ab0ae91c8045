"""Asks a program of this machine over HTTP: no proxy, no redirect, bounded in time and size."""

from __future__ import annotations

import http.client
import json
from typing import Any

MOST = 16 << 20


def get(host: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
    """Status and body; (0, why) where there was no answer."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read(MOST)
    except (OSError, http.client.HTTPException) as e:
        return 0, (str(e) or type(e).__name__).encode()
    finally:
        connection.close()


def get_json(host: str, port: int, path: str) -> Any:
    """The body of an answer 200 as JSON; None for everything else."""
    status, body = get(host, port, path)
    if status != 200:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
