"""Handing spans over by OTLP/HTTP, and understanding the answer."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import requests
from google.protobuf.message import DecodeError
from msgspec import Struct
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from rli_agent.publish.address import is_loopback
from rli_agent.publish.http_answer import why
from rli_agent.publish.naming import clean
from rli_agent.publish.retry_after import retry_after
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.layouts import Span

#: Seconds for an answer.
TIMEOUT = 10.0
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
)
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip", "User-Agent": "rli-agent"}


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
        for name in ("opentelemetry.exporter", "urllib3"):  # they tell of each failure; we tell of the first
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(
            endpoint=url, headers={}, timeout=timeout, compression=Compression.Gzip, session=self._wire
        )

    def send(self, spans: Sequence[Span]) -> Verdict:
        """By the SDK."""
        self._wire.verdict = Verdict(False, "the exporter sent nothing")
        self._exporter.export([self._encoder.readable(span) for span in spans])
        return self._wire.verdict

    def send_many(self, spans: Sequence[Span]) -> Verdict:
        """The same message without the SDK's objects."""
        packer = zlib.compressobj(1, wbits=31)
        data = packer.compress(self._encoder.message(spans)) + packer.flush()
        with suppress(requests.RequestException):
            self._wire.post(self.url, data=data, headers=_HEADERS, timeout=self._timeout)
        return self._wire.verdict

    def abort(self) -> None:
        """Ends what is under way; may be called from another thread."""
        self._exporter.shutdown()
        self._wire.close()


def judge(status: int, headers: Any, body: bytes) -> Verdict:
    """An answer by the protocol: only 200 with an empty or readable body says that the spans arrived.

    Anything else is tried again, also what the protocol calls final (400, 404): a wrong address or a proxy's page is
    mended by people, and until then nothing is lost.
    """
    if status != 200:
        return Verdict(False, f"status {status}{_hint(status)}", wait=retry_after(headers.get("Retry-After")))
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json" and body:
            partial = json.loads(body).get("partialSuccess") or {}
            rejected, message = int(partial.get("rejectedSpans", 0)), str(partial.get("errorMessage", ""))
        elif kind in ("application/x-protobuf", "application/protobuf", "application/octet-stream", "") or not body:
            said = ExportTraceServiceResponse.FromString(body).partial_success
            rejected, message = said.rejected_spans, said.error_message
        else:
            return Verdict(False, f"status 200 with {clean(kind, 60)} instead of an OTLP answer")
    except (DecodeError, ValueError, TypeError, AttributeError):
        return Verdict(False, "status 200 with something that is no OTLP answer")
    return Verdict(True, clean(message), max(rejected, 0))


def _hint(status: int) -> str:
    return {401: ": it wants credentials", 403: ": it wants credentials", 404: ": no OTLP/HTTP there"}.get(status, "")
