"""The HTTP server: real sockets, real clients, also rude ones."""

from __future__ import annotations

import gzip
import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rli_agent.publish import server
from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer

BODY = b"# HELP a A\n# TYPE a gauge\na 1.0\n" * 50


@contextmanager
def serving(
    render: Callable[[bool], bytes] = lambda openmetrics: BODY + (b"# EOF\n" if openmetrics else b""),
    answer: Callable[[], str] = lambda: "step 412 of 1000, in rollout for 6 min",
) -> Iterator[MetricsServer]:
    bound = bind("127.0.0.1:0")
    assert bound
    it = MetricsServer(bound[0], render, answer)
    it.start()
    try:
        yield it
    finally:
        it.close()


def get(it: MetricsServer, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", it.port, timeout=10)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        connection.close()


def raw(it: MetricsServer, data: bytes) -> bytes:
    """All that the server says to these bytes, until it closes. A reset counts as closing."""
    with socket.create_connection(("127.0.0.1", it.port), timeout=10) as sock:
        got = b""
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                got += chunk
        except ConnectionError:
            pass
        return got


# -- what it serves --------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        # Prometheus 2.42 and 3.5
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
            True,
        ),
    ],
)
def test_the_format_is_the_one_that_the_client_accepts(accept: str, openmetrics: bool) -> None:
    with serving() as it:
        status, headers, body = get(it, "/metrics", Accept=accept)
    assert status == 200
    assert headers["Content-Type"] == (server.OPENMETRICS if openmetrics else server.TEXT)
    assert body.endswith(b"# EOF\n") == openmetrics
    assert int(headers["Content-Length"]) == len(body)


@pytest.mark.real
def test_an_accept_header_that_makes_no_sense_gets_an_answer() -> None:
    with serving() as it:
        for accept in ("application/openmetrics-text;version=bogus", ";;;,=", "é" * 100):
            connection = socket.create_connection(("127.0.0.1", it.port), timeout=10)
            with connection:
                connection.sendall(f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
                assert connection.makefile("rb").readline().startswith(b"HTTP/1.0 200")


@pytest.mark.real
def test_gzip_when_asked_for() -> None:
    with serving() as it:
        _, headers, body = get(it, "/metrics", Accept_Encoding="gzip")
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == BODY
        _, headers, body = get(it, "/metrics", Accept_Encoding="identity")
        assert "Content-Encoding" not in headers
        assert body == BODY


@pytest.mark.real
def test_health_answer_and_the_rest() -> None:
    with serving(answer=lambda: "step 3\x1b[2J of 4\nETA 09:40") as it:
        assert get(it, "/-/healthy")[0] == 200
        status, headers, body = get(it, "/")
        assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert body.decode() == "step 3\ufffd[2J of 4\nETA 09:40\n\nMetrics: /metrics\n"
        assert get(it, "/metrics?collect[]=x")[0] == 200
        assert get(it, "/../etc/passwd")[0] == 404
        status, headers, body = get(it, "/metrics", "HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["Content-Length"]) == len(BODY)
        assert get(it, "/metrics", "POST")[0] == 501


@pytest.mark.real
def test_a_fault_while_rendering_is_an_answer_and_the_server_lives_on() -> None:
    calls = []

    def render(_: bool) -> bytes:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("x")
        return BODY

    with serving(render) as it:
        status, _, body = get(it, "/metrics")
        assert status == 500
        assert b"Traceback" not in body
        assert get(it, "/metrics")[0] == 200


# -- rude clients ----------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + b"X: " + b"a" * 60_000 + b"\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(50_000)) + b"\r\n",
    ],
    ids=["path", "header", "headers"],
)
def test_a_request_that_is_too_large_is_not_read(request_: bytes) -> None:
    with serving() as it:
        reply = raw(it, request_)
        assert reply[:12] in (b"HTTP/1.0 431", b"")  # the reset may overtake the answer
        assert b"step 412" not in reply
        assert get(it, "/metrics")[0] == 200


@pytest.mark.real
@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n\r\n", b"GET\r\n\r\n", b"G E T / HTTP/9\r\n\r\n"]
)
def test_garbage_is_turned_away(garbage: bytes) -> None:
    with serving() as it:
        with socket.create_connection(("127.0.0.1", it.port), timeout=10) as sock:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            reply = b""
            while chunk := sock.recv(65536):
                reply += chunk
        assert b"200 OK" not in reply
        assert get(it, "/-/healthy")[0] == 200


def closed(sock: socket.socket, within: float) -> bool:
    ready, _, _ = select.select([sock], [], [], within)
    try:
        return bool(ready) and sock.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.real
def test_a_client_that_dawdles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.3)
    with serving() as it, socket.create_connection(("127.0.0.1", it.port), timeout=10) as sock:
        sock.sendall(b"GET /metr")
        assert closed(sock, 10)


@pytest.mark.real
def test_too_many_connections_are_refused_until_there_is_room() -> None:
    with serving() as it:
        held = [socket.create_connection(("127.0.0.1", it.port), timeout=10) for _ in range(server.CONNECTIONS)]
        assert raw(it, b"GET /metrics HTTP/1.0\r\n\r\n")[:12] in (b"HTTP/1.0 503", b"")
        for sock in held:
            sock.close()
        deadline = time.monotonic() + 10
        while not raw(it, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200"):
            assert time.monotonic() < deadline, "no room although all others went"


@pytest.mark.real
def test_closing_lets_a_request_finish_and_frees_the_port() -> None:
    inside, go = threading.Event(), threading.Event()

    def render(_: bool) -> bytes:
        inside.set()
        go.wait(10)
        return BODY

    bound = bind("127.0.0.1:0")
    assert bound
    it = MetricsServer(bound[0], render, str)
    it.start()
    replies: list[bytes] = []
    client = threading.Thread(target=lambda: replies.append(raw(it, b"GET /metrics HTTP/1.0\r\n\r\n")))
    client.start()
    assert inside.wait(10)
    closer = threading.Thread(target=it.close)
    closer.start()
    go.set()
    closer.join(10)
    client.join(10)
    assert replies[0].endswith(BODY)
    again = bind(f"127.0.0.1:{it.port}")
    assert again
    again[0].close()


def test_closing_does_not_wait_for_ever() -> None:
    with serving() as it, socket.create_connection(("127.0.0.1", it.port), timeout=10) as sock:
        sock.sendall(b"GET /")
        # until the server has it, closing would find nobody
        deadline = time.monotonic() + 10
        while not it._server._since:
            assert time.monotonic() < deadline
        it.close(patience=0.1)
        assert closed(sock, 10)


def test_closing_a_server_that_never_started() -> None:
    bound = bind("127.0.0.1:0")
    assert bound
    MetricsServer(bound[0], lambda _: BODY, str).close()
