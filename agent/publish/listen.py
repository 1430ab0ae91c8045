"""Where the agent listens: the address from the command line, and a port that is free."""

from __future__ import annotations

import errno
import socket

from rli_agent.errors import UserError
from rli_agent.port_holder import held_by

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9092
#: Ports tried from the default one on.
TRIED_PORTS = 100

EXAMPLE = f"say --listen HOST:PORT (such as {DEFAULT_HOST}:{DEFAULT_PORT}), HOST, PORT, or none"


def bind(listen: str | None) -> tuple[socket.socket, str] | None:
    """Listen on `listen`: `HOST:PORT`, `HOST`, `PORT`, `[IPv6]:PORT`, `none` (gives None), or where nothing was asked
    for (None) on the default address.

    A port that was asked for is that port or an error; else, where the default one is taken, it is the next free one,
    and the second value says so (it is empty otherwise). Raises UserError.
    """
    if listen is not None and listen.strip().lower() == "none":
        return None
    host, port = (DEFAULT_HOST, None) if listen is None else _address(listen)
    exact = port is not None
    first = DEFAULT_PORT if port is None else port
    ports = [first] if exact else range(first, min(first + TRIED_PORTS, 65536))
    for candidate in ports:
        try:
            sock = _listen(host, candidate)
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                continue
            raise UserError(_why(e, host, candidate)) from None
        except UnicodeError:
            raise UserError(f"--listen {listen!r}: {host!r} is not a host name; {EXAMPLE}") from None
        notice = ""
        if candidate != first:
            notice = f"port {first} is taken{held_by(first)}; listening on {shown(host, candidate)} instead"
        return sock, notice
    if exact:
        holder = held_by(first)
        stop = "stop that process" if holder else f"see who holds it with `ss -ltnp sport = :{first}`"
        other = shown(host, first + 1 if first < 65535 else 0)
        raise UserError(
            f"cannot listen on {shown(host, first)}: the port is taken{holder}; "
            f"{stop}, or choose another port with --listen {other}"
        )
    raise UserError(f"no free port from {first} to {ports[-1]} on {host}; name one with --listen {host}:PORT")


def _address(listen: str) -> tuple[str, int | None]:
    text = listen.strip()
    wrong = f"--listen {listen!r} is not understood"
    if "://" in text or "/" in text:
        raise UserError(f"{wrong}: it is an address, not a URL; {EXAMPLE}")
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise UserError(f"{wrong}: an IPv6 address reads [::1]:{DEFAULT_PORT}; {EXAMPLE}")
        port = rest[1:]
    elif text.count(":") > 1:
        raise UserError(f"{wrong}: put an IPv6 address into brackets, as in [::1]:{DEFAULT_PORT}")
    elif ":" in text:
        host, _, port = text.partition(":")
    elif text.isdecimal():
        host, port = "", text
    else:
        host, port = text, ""
    if not text or any(c.isspace() for c in text):
        raise UserError(f"{wrong}: {EXAMPLE}")
    if port and not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise UserError(f"{wrong}: {port!r} is not a port from 0 to 65535; {EXAMPLE}")
    return host or DEFAULT_HOST, int(port) if port else None


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # localhost may be ::1 first, where nobody looks for the agent
    family, kind, proto, _, address = min(found, key=lambda a: a[0] != socket.AF_INET)
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


def _why(error: OSError, host: str, port: int) -> str:
    where = f"cannot listen on {shown(host, port)}"
    if isinstance(error, socket.gaierror):
        return f"{where}: the host name {host!r} is not known here; {EXAMPLE}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; use 127.0.0.1, or 0.0.0.0 for all of its addresses"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where}: the system allows ports below 1024 to root alone; choose a higher one"
    return f"{where}: {error.strerror or error}; choose another address with --listen"


def reached(host: str) -> str:
    """Where this machine reaches what listens at an address: what listens everywhere listens here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def shown(host: str, port: int) -> str:
    """`HOST:PORT`, with brackets round an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
