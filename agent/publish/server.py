"""The HTTP server behind `/metrics` and the page. It answers from threads of its own and asks nothing of the reader."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeAlias

from prometheus_client.exposition import choose_encoder, gzip_accepted

from rli_agent.journal import logger
from rli_agent.publish.listen import shown
from rli_agent.publish.naming import clean

#: Bounds on what a client may take: connections at once, bytes of a request, seconds for request and answer together.
CONNECTIONS = 16
REQUEST_BYTES = 16 * 1024
SECONDS = 30.0

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Request(NamedTuple):
    """A GET. `path` and `query` as they were sent, percent signs and all."""

    path: str
    query: str
    headers: Message


class Reply(NamedTuple):
    """What is sent back. A body that comes in pieces is a stream, which may last as long as the client listens: a piece
    without bytes only asks whether it still does. `done` is called after it."""

    status: int
    kind: str
    body: bytes | Iterator[bytes]
    headers: tuple[tuple[str, str], ...] = ()
    done: Callable[[], None] = lambda: None


Page: TypeAlias = Callable[[Request], Reply]


class MetricsServer:
    """`/metrics`, `/-/healthy`, and everything else as `page` has it; without one, at `/` the answer to "how is it?" as
    plain text.

    `render(openmetrics)` gives the exposition, `answer()` the sentence. All of them run in the server's threads.
    """

    def __init__(
        self, sock: socket.socket, render: Callable[[bool], bytes], answer: Callable[[], str], page: Page | None = None
    ) -> None:
        host, port = sock.getsockname()[:2]
        self.url = f"http://{shown(host, port)}"
        self.port: int = port
        self._server = _Server(sock, render, answer, page)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.5,), name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, patience: float = 2.0) -> None:
        """Take no new request, let those under way finish for `patience` seconds, then cut them off."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drain(patience)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, sock: socket.socket, render: Callable[[bool], bytes], answer: Callable[[], str], page: Page | None
    ) -> None:
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.render = render
        self.answer = answer
        self.page = page
        self._since: dict[socket.socket, float] = {}
        self._streams: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            if len(self._since) >= CONNECTIONS:
                busy = True
            else:
                busy = False
                self._since[request] = time.monotonic()
        if busy:
            request.setblocking(False)
            with contextlib.suppress(OSError):
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._since.pop(request, None)
            self._streams.discard(request)
            self._changed.notify_all()

    def streams(self, request: socket.socket) -> None:
        """The answer to this request lasts as long as the client listens: no bound on time holds for it any more."""
        with self._changed:
            self._since.pop(request, None)
            self._streams.add(request)

    def service_actions(self) -> None:
        """Called a few times a second: cut off whoever takes too long."""
        late = time.monotonic() - SECONDS
        with self._changed:
            for request, since in self._since.items():
                if since < late:
                    _cut(request)

    def drain(self, patience: float) -> None:
        with self._changed:
            for request in self._streams:
                _cut(request)
            self._changed.wait_for(lambda: not self._since, patience)
            for request in self._since:
                _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        logger.opt(exception=True).debug("a client of /metrics went away: {}", client_address)


class _Bounded(io.RawIOBase):
    """The request's bytes, ending after REQUEST_BYTES."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.left = REQUEST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.left:
            return 0
        got = self._sock.recv_into(memoryview(buffer)[: self.left])
        self.left -= got
        return got


class _Handler(BaseHTTPRequestHandler):
    timeout = SECONDS
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._bounded = _Bounded(self.connection)
        self.rfile = io.BufferedReader(self._bounded)

    def parse_request(self) -> bool:
        if self._bounded.left:
            if not super().parse_request():
                return False
            if self._bounded.left:
                return True
        self.requestline, self.request_version, self.command = "", "HTTP/1.0", ""
        self.close_connection = True
        self.send_error(431, explain=f"A request may have {REQUEST_BYTES} bytes.")
        return False

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        try:
            if path == "/metrics":
                self._metrics()
            elif path == "/-/healthy":
                self._send(b"rli-agent is healthy.\n")
            elif self.server.page is not None:
                self._reply(self.server.page(Request(path, query, self.headers)))
            elif path == "/":
                answer = "\n".join(clean(line, 2000) for line in self.server.answer().splitlines())
                self._send(f"{answer}\n\nMetrics: /metrics\n".encode())
            else:
                self._send(b"Not found. There are /, /metrics and /-/healthy.\n", status=404)
        except OSError:
            raise
        except Exception as e:
            logger.opt(exception=True).debug("answering {} failed", path)
            logger.error("answering {} failed: {}: {}; this is a fault of the agent", clean(path), type(e).__name__, e)
            self._send(b"The agent failed to answer; see its log.\n", status=500)

    do_HEAD = do_GET

    def _metrics(self) -> None:
        try:
            openmetrics = choose_encoder(self.headers.get("Accept", ""))[1].startswith("application/openmetrics-text")
        except (ValueError, TypeError):  # a version that is no version
            openmetrics = False
        body = self.server.render(openmetrics)
        packed = gzip_accepted(self.headers.get("Accept-Encoding", ""))
        if packed:
            import cramjam  # here: not every agent is asked for it; it takes half as long as Python's own

            body = bytes(cramjam.gzip.compress(body, 1))
        self._send(body, OPENMETRICS if openmetrics else TEXT, packed=packed)

    def _reply(self, reply: Reply) -> None:
        try:
            if isinstance(reply.body, bytes):
                self._send(reply.body, reply.kind, status=reply.status, more=reply.headers)
                return
            self.server.streams(self.connection)
            self._head(reply.kind, reply.status, reply.headers)
            for piece in reply.body if self.command != "HEAD" else ():
                if piece:
                    self.wfile.write(piece)
                elif self._is_deserted():
                    break
        finally:
            reply.done()

    def _is_deserted(self) -> bool:
        """Whether the client has closed its end. Asked by poll: a socket with a timeout waits in recv for all of it,
        MSG_DONTWAIT or not."""
        ready = select.poll()
        ready.register(self.connection, select.POLLIN)
        return bool(ready.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def _send(
        self, body: bytes, kind: str = "text/plain; charset=utf-8", *, status: int = 200, packed: bool = False,
        more: tuple[tuple[str, str], ...] = (),
    ) -> None:  # fmt: skip
        if packed:
            more = (*more, ("Content-Encoding", "gzip"))
        self._head(kind, status, (("Content-Length", str(len(body))), *more))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, kind: str, status: int, more: tuple[tuple[str, str], ...]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("X-Content-Type-Options", "nosniff"), *more):
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "rli-agent"

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is nothing to log."""


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
