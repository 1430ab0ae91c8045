"""Ports: whether one is free, and another one where it is taken."""

from __future__ import annotations

import errno
import socket
from collections.abc import Container

#: Ports tried from the usual one on.
TRIED = 200


def why_not(host: str, port: int) -> OSError | None:
    """None where a program could listen there now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, address = found[0]
        with socket.socket(family, kind, proto) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as these programs do
            sock.bind(address)
            sock.listen(1)
    except OSError as e:
        return e
    return None


def is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


def next_free(host: str, port: int, used: Container[int]) -> int | None:
    """The first free port after this one that is not in `used`."""
    for candidate in range(port + 1, min(port + TRIED, 65536)):
        if candidate not in used and why_not(host, candidate) is None:
            return candidate
    return None
