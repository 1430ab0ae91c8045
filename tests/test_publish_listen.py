"""Where the agent listens: addresses that are understood, ports that are taken, and what is said of others."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rli_agent.errors import UserError
from rli_agent.publish import listen
from rli_agent.publish.listen import bind


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process of ours listens on, with a free one behind it."""
    code = (
        "import socket, sys\n"
        "for port in range(20000, 60000, 7):\n"
        "    try:\n"
        "        a, b = socket.socket(), socket.socket()\n"
        "        a.bind(('127.0.0.1', port)); b.bind(('127.0.0.1', port + 1))\n"
        "    except OSError:\n"
        "        continue\n"
        "    break\n"
        "b.close(); a.listen(); print(port, flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "port-holder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    yield int(process.stdout.readline())
    process.communicate()


def test_the_default_port_taken_gives_the_next_free_one_and_says_so(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "DEFAULT_PORT", taken)
    for text in ("127.0.0.1", None):
        bound = bind(text)
        assert bound
        sock, notice = bound
        port = sock.getsockname()[1]
        sock.close()
        assert taken < port < taken + listen.TRIED_PORTS
        assert notice.startswith(f"port {taken} is taken by process ")
        assert notice.endswith(f"listening on 127.0.0.1:{port} instead")


def test_a_port_asked_for_and_taken_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(UserError) as error:
        bind(f"127.0.0.1:{taken}")
    message = str(error.value)
    assert re.search(rf"127\.0\.0\.1:{taken}: the port is taken by process \d+ \(.*python", message)
    assert f"--listen 127.0.0.1:{taken + 1}" in message


def test_no_free_port_in_the_range(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "DEFAULT_PORT", taken)
    monkeypatch.setattr(listen, "TRIED_PORTS", 1)
    with pytest.raises(UserError, match=f"no free port from {taken} to {taken}"):
        bind("127.0.0.1")


@pytest.mark.parametrize(
    ("text", "host", "family"),
    [
        ("127.0.0.1:0", "127.0.0.1", socket.AF_INET),
        (":0", "127.0.0.1", socket.AF_INET),
        ("0", "127.0.0.1", socket.AF_INET),
        ("localhost:0", "127.0.0.1", socket.AF_INET),
        ("0.0.0.0:0", "0.0.0.0", socket.AF_INET),
        ("[::1]:0", "::1", socket.AF_INET6),
    ],
)
def test_addresses_that_are_understood(text: str, host: str, family: socket.AddressFamily) -> None:
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    bound = bind(text)
    assert bound
    sock, notice = bound
    with sock:
        assert (sock.getsockname()[0], sock.family, notice) == (host, family, "")


def test_none_means_no_server() -> None:
    assert bind("none") is None
    assert bind(" None ") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "HOST:PORT"),
        ("127.0.0.1:http", "'http' is not a port"),
        ("127.0.0.1:65536", "'65536' is not a port"),
        ("127.0.0.1:-1", "'-1' is not a port"),
        ("127.0.0.1:٣", "is not a port"),
        ("http://127.0.0.1:9092", "not a URL"),
        ("::1:9092", "brackets"),
        ("[::1", "IPv6 address reads"),
        ("my host:9092", "HOST:PORT"),
        ("no-such-host.invalid:9092", "not known here"),
        ("a" * 70 + ".invalid:9092", "is not a host name"),
        ("192.0.2.1:9092", "no such address"),
    ],
)
def test_addresses_that_are_not(text: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        bind(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_ports_for_root_alone() -> None:
    message = listen._why(PermissionError(13, "Permission denied"), "127.0.0.1", 80)
    assert "below 1024" in message
