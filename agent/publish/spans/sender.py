"""Handing spans over by OTLP/HTTP, and understanding the answer."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests
from msgspec import Struct

from rli_agent.publish.address import is_loopback
from rli_agent.publish.http_answer import why
from rli_agent.publish.naming import clean
from rli_agent.publish.retry_after import retry_after
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.layouts import Span

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

#: Seconds for an answer.
TIMEOUT = 10.0
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
)
_HEADERS = {"Content-Type": "application/x-protobuf", "User-Agent": "rli-agent"}


class Verdict(Struct, frozen=True):
    """What became of a sending. `rejected`: spans that were refused for good, with `reason`. `wait`: seconds that the
    receiver asks for before the next try."""

    ok: bool
    reason: str = ""
    rejected: int = 0
    wait: float | None = None


class Wire(requests.Session):
    """A session that says only what we say, with `headers`, and remembers the answer.

    The SDK's exporter takes headers and certificates from OTEL_* variables, which on a training machine are meant for
    the trainer's own telemetry.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        if is_loopback(url):
            self.trust_env = False
        self._ours = headers or {}
        self.verdict = Verdict(False, "nothing was sent")

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        for name in [name for name in request.headers if name.lower() not in _OURS]:
            del request.headers[name]
        request.headers.update(self._ours)
        bundle = self.merge_environment_settings(request.url or "", {}, None, True, None)["verify"]
        kwargs.update(verify=bundle, cert=None, allow_redirects=False)
        try:
            answer = super().send(request, **kwargs)
        except requests.RequestException as error:
            self.verdict = Verdict(False, why(error))
            raise
        self.verdict = judge(answer.status_code, answer.headers, answer.content)
        return answer


class Sender:
    """Sends to one URL. For one thread, but for `abort`."""

    def __init__(
        self, url: str, encoder: Encoder, timeout: float = TIMEOUT, headers: Mapping[str, str] | None = None
    ) -> None:
        self.url = url
        self._encoder = encoder
        self._timeout = timeout
        self._wire = Wire(url, headers)
        self._compress = not is_loopback(url)  # on one machine that costs more than it saves
        self._exporter: OTLPSpanExporter | None = None
        for name in ("opentelemetry.exporter", "urllib3"):  # they tell of each failure; we tell of the first
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def send(self, spans: Sequence[Span]) -> Verdict:
        """By the SDK."""
        from rli_agent.publish.spans import sdk  # here: catching up does not need it

        if self._exporter is None:
            self._exporter = sdk.exporter(self.url, self._wire, self._timeout, self._compress)
        self._wire.verdict = Verdict(False, "the exporter sent nothing")
        self._exporter.export(sdk.readable(spans, self._encoder))
        return self._wire.verdict

    def send_many(self, spans: Sequence[Span]) -> Verdict:
        """The same message without the SDK's objects."""
        data, headers = self._encoder.message(spans), _HEADERS
        if self._compress:
            packer = zlib.compressobj(1, wbits=31)
            data, headers = packer.compress(data) + packer.flush(), _HEADERS | {"Content-Encoding": "gzip"}
        with suppress(requests.RequestException):
            self._wire.post(self.url, data=data, headers=headers, timeout=self._timeout)
        return self._wire.verdict

    def abort(self) -> None:
        """Ends what is under way; may be called from another thread."""
        if self._exporter is not None:
            self._exporter.shutdown()
        self._wire.close()


def judge(status: int, headers: Any, body: bytes) -> Verdict:
    """An answer by the protocol: only 200 with an empty or readable body says that the spans arrived.

    Anything else is tried again, also what the protocol calls final (400, 404): a wrong address or a proxy's page is
    mended by people, and until then nothing is lost.
    """
    if status != 200:
        return Verdict(False, f"status {status}{_hint(status)}", wait=retry_after(headers.get("Retry-After")))
    if not body:
        return Verdict(True)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            partial = json.loads(body).get("partialSuccess") or {}
            rejected, message = int(partial.get("rejectedSpans", 0)), str(partial.get("errorMessage", ""))
        elif kind in ("application/x-protobuf", "application/protobuf", "application/octet-stream", ""):
            rejected, message = _partial_success(body)
        else:
            return Verdict(False, f"status 200 with {clean(kind, 60)} instead of an OTLP answer")
    except (ValueError, TypeError, AttributeError):
        return Verdict(False, "status 200 with something that is no OTLP answer")
    return Verdict(True, clean(message), max(rejected, 0))


def _partial_success(body: bytes) -> tuple[int, str]:
    """How many spans an answer says were rejected, and why. Raises ValueError where it is no answer."""
    # here: it takes 20 ms to load, and most answers are empty
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        said = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError as error:
        raise ValueError(body) from error
    return said.rejected_spans, said.error_message


def _hint(status: int) -> str:
    return {401: ": it wants credentials", 403: ": it wants credentials", 404: ": no OTLP/HTTP there"}.get(status, "")
