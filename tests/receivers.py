"""Real servers on loopback that take messages, or do not, and remember all that came."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast

from agent_process import until
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from loopback import QuietHandler

from rli_agent.alerts.channel import Notice
from rli_agent.message import Message

__all__ = ["SECRET", "HttpReceiver", "MailReceiver", "certificate", "notice", "until"]
SECRET = "T0PS3CRETTOKEN"


def notice(message: Message, *earlier: Message, again: int = 0) -> Notice:
    """A message on its way, after others of its incident."""
    key = f"{message.key}/{again}" if again else message.key
    return Notice(message, key, tuple((one.key, one) for one in earlier), again)


class Request(NamedTuple):
    """What came: when (monotonic seconds), and what."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


class HttpReceiver:
    """`answers`: (status, headers, body) for each request in turn, None for never; then 200, as long as `takes` holds,
    else 503."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], str] | None] = []
        self.takes: Callable[[], bool] = lambda: True
        self.got: list[Request] = []
        self.taken: list[Request] = []
        self._released = threading.Event()
        receiver = self

        class Handler(QuietHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(time.monotonic(), self.command, self.path, dict(self.headers), body)
                receiver.got.append(request)
                said = receiver.answers.pop(0) if receiver.answers else (200, {}, "ok")
                if said is not None and said[0] == 200 and not receiver.takes():
                    said = (503, {"Retry-After": "0.1"}, "no")
                if said is None:
                    receiver._released.wait(30)
                    return
                status, headers, text = said
                if 200 <= status < 300:
                    receiver.taken.append(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_PUT = answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}/services/{SECRET}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which an agent tells it."""
        return {"RLI_AGENT_WEBHOOK": self.url}

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.got]

    @property
    def kinds(self) -> list[str]:
        return [request.json["kind"] for request in self.taken]

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


class MailReceiver:
    """An SMTP server. certificate: it speaks TLS, from the start (`tls`) or by STARTTLS. `answers`: of the next mails,
    then 250. It takes one user only, where `password` is given."""

    def __init__(self, certificate: Path | None = None, tls: bool = False, password: str | None = None) -> None:
        self.answers: list[str] = []
        self.mails: list[EmailMessage] = []
        self.logins: list[str] = []
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)

        def check(_s: object, _session: object, _e: object, _mechanism: str, data: object) -> AuthResult:
            login = cast(LoginPassword, data)
            self.logins.append(login.login.decode())
            return AuthResult(success=login.password.decode() == password, handled=False)

        def server() -> SMTP:
            return SMTP(
                self, hostname="localhost", tls_context=None if tls else context,
                require_starttls=context is not None and not tls, authenticator=check,
                auth_required=password is not None, auth_require_tls=not tls,
            )  # fmt: skip

        self._loop = asyncio.new_event_loop()
        listening = self._loop.create_server(server, "127.0.0.1", 0, ssl=context if tls else None)
        self._server = self._loop.run_until_complete(listening)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(cast(EmailMessage, message_from_bytes(envelope.content, policy=policy.default)))
        return answer

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1, and its key, in one file; made by openssl."""
    file = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file, "-out", folder / "c.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    with file.open("a") as out:
        out.write((folder / "c.pem").read_text())
    return file
