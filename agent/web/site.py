"""The page as requests and replies."""

from __future__ import annotations

import gzip
import json
import threading
from urllib.parse import unquote

import msgspec

from rli_agent.errors import UserError
from rli_agent.publish.server import Reply, Request
from rli_agent.store.errors import StoreError
from rli_agent.web.access import Access
from rli_agent.web.elsewhere import Elsewhere
from rli_agent.web.events import events
from rli_agent.web.openapi import openapi
from rli_agent.web.parameters import BadParameter, Listening, Nothing, read
from rli_agent.web.routes import ROUTES
from rli_agent.web.static import StaticFiles, etag_of
from rli_agent.web.stores import Stores, UnknownRun

#: Questions answered at once, and seconds that another one waits: a page takes no more of the processor than that.
AT_ONCE, PATIENCE = 2, 10.0
#: Pages that may listen at once.
LISTENERS = 8
#: Bytes from which on an answer is packed.
_WORTH = 1000
_JSON = "application/json"
_POLICY = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
     "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"), ("Cache-Control", "no-cache"),
)  # fmt: skip


class Site:
    """Answers requests, from as many threads as there are. `over` is set when the agent ends."""

    def __init__(self, stores: Stores, elsewhere: Elsewhere, access: Access, over: threading.Event) -> None:
        self._stores = stores
        self._elsewhere = elsewhere
        self._access = access
        self._over = over
        self._files = StaticFiles()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._listening = threading.BoundedSemaphore(LISTENERS)

    def reply(self, request: Request) -> Reply:
        """The answer to a request."""
        reply = self._access.refused(request) or self._answer(request)
        return reply._replace(headers=(*reply.headers, *_POLICY))

    def close(self) -> None:
        self._over.set()
        self._stores.close()

    def _answer(self, request: Request) -> Reply:
        if not request.path.startswith("/api/"):
            return self._file(request)
        if request.path == "/api/events":
            return self._listen(request)
        if not self._turns.acquire(timeout=PATIENCE):
            return _error(503, "too many questions at once", "ask again in a second", (("Retry-After", "1"),))
        try:
            return _sent(self._told(request), request)
        except UnknownRun:
            return _error(404, "no such run", "/api/runs lists them")
        except BadParameter as error:
            return _error(400, str(error), "/api/openapi.json says what may be asked")
        except StoreError as error:
            return _error(503, str(error), "ask again")
        except UserError as error:
            return _error(404, str(error), error.hint)
        finally:
            self._turns.release()

    def _told(self, request: Request) -> bytes:
        if request.path == "/api/openapi.json":
            return msgspec.json.encode(openapi())
        if request.path == "/api/runs":
            read(request.query, Nothing)
            return self._stores.reports()
        if request.path == "/api/fleet":
            read(request.query, Nothing)
            return self._elsewhere.fleet()
        run, _, name = request.path.removeprefix("/api/runs/").partition("/")
        route = ROUTES.get(name)
        if route is None or not request.path.startswith("/api/runs/"):
            raise UserError("there is no such page", "/api/openapi.json lists them")
        queries = self._stores.queries(unquote(run))
        return msgspec.json.encode(route.ask(queries, read(request.query, route.parameters)))

    def _listen(self, request: Request) -> Reply:
        try:
            runs = read(request.query, Listening).run
        except BadParameter as error:
            return _error(400, str(error), "/api/openapi.json says what may be asked")
        if not self._listening.acquire(blocking=False):
            return _error(503, f"{LISTENERS} pages listen already", "ask /api/runs every now and then instead")
        return Reply(200, "text/event-stream", events(self._stores, runs, self._over), done=self._listening.release)

    def _file(self, request: Request) -> Reply:
        found = self._files.get(unquote(request.path))
        if found is None:
            return Reply(404, "text/plain; charset=utf-8", b"Not found. The page is at /.\n")
        if request.headers.get("If-None-Match") == found.etag:
            return Reply(304, found.kind, b"", (("ETag", found.etag),))
        headers = (("ETag", found.etag), ("Vary", "Accept-Encoding"))
        if found.packed is not None and _takes_gzip(request):
            return Reply(200, found.kind, found.packed, (*headers, ("Content-Encoding", "gzip")))
        return Reply(200, found.kind, found.body, headers)


def _sent(body: bytes, request: Request) -> Reply:
    headers = (("ETag", etag_of(body)), ("Vary", "Accept-Encoding"))
    if request.headers.get("If-None-Match") == headers[0][1]:
        return Reply(304, _JSON, b"", headers)
    if len(body) > _WORTH and _takes_gzip(request):
        return Reply(200, _JSON, gzip.compress(body, 1), (*headers, ("Content-Encoding", "gzip")))
    return Reply(200, _JSON, body, headers)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _error(status: int, error: str, hint: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, _JSON, json.dumps({"error": error, "hint": hint}).encode(), headers)
