"""The exporter of spans."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import requests
from msgspec import Struct

from rli_agent.journal import logger
from rli_agent.publish.from_store import FromStore, position_of
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.publish.spans.encode import Encoder
from rli_agent.publish.spans.endpoint import Endpoint, checked, recognise
from rli_agent.publish.spans.layouts import Flat, Layout, LayoutName, Span, Trace
from rli_agent.publish.spans.rows import Cursor, Rows
from rli_agent.publish.spans.sender import Sender, Wire
from rli_agent.publish.spans.steps import Steps
from rli_agent.store.run_store import RunStore

EXPORTER = "otlp"
#: Spans of a request: 16 MiB is what a Tempo 2.6 takes, and these are about 1.4 MB.
REQUEST = 5000
#: Where more rows were found, spans are encoded directly.
MANY = 1000
#: Seconds before a run that tells of no states any more is taken to be over.
QUIET = 3600.0


class Position(Struct, frozen=True):
    """What is kept in the store: how far a receiver has everything, and what the layout remembers."""

    cursor: Cursor = Cursor()
    memory: msgspec.Raw = msgspec.Raw(b"null")


class SpanExporter(FromStore):
    """Sends a run's states to `url`; `layout` None: as the receiver wants them."""

    def __init__(
        self, store: RunStore, url: str, layout: LayoutName | None, labels: Callable[[], RunLabels], own: SelfMetrics,
        stop: threading.Event, headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`stop`: set when the watch is told to end. `headers` go along with spans. Raises ValueError for a URL
        that cannot be one."""
        super().__init__(store, "spans", EXPORTER, own, stop)
        self._url = checked(url)
        self._layout = layout
        self._headers = headers or {}
        self._encoder = Encoder(labels)
        self._run = labels().run
        self._sender: Sender | None = None
        self._thread.start()

    def _abort(self) -> None:
        if self._sender is not None:
            self._sender.abort()

    def _export(self) -> None:
        place = self._find()
        if place is None:
            return
        name: LayoutName = self._layout or ("flat" if place.rl_insight else "step")
        how = "each state a trace of its own" if name == "flat" else "a step a trace"
        logger.info("spans: to {}, {}", place.traces, how)
        self._sender = Sender(place.traces, self._encoder, headers=self._headers)
        rows = Rows(self._store.path)
        try:
            self._follow(rows, f"spans {name} {place.traces}", name)
        finally:
            rows.close()

    def _find(self) -> Endpoint | None:
        """Who is at the URL; None when the watch ends before somebody is there."""
        while True:
            try:
                with Wire(self._url) as session:
                    return recognise(session, self._url)
            except requests.RequestException:
                if not self._wait_for_return(self._url, "no connection"):
                    return None

    def _follow(self, rows: Rows, kept_as: str, name: LayoutName) -> None:
        position = position_of(rows.kept(kept_as), Position)
        memory = msgspec.json.decode(position.memory)
        layout: Layout = Flat(self._run) if name == "flat" else Steps(self._run, memory)
        cursor, news = position.cursor, time.monotonic()
        while True:
            last = self._closing.is_set()
            after = rows.begin(cursor)
            some = rows.waiting
            for states in rows.chunks():
                layout.add(states, time.monotonic())
                if not self._hand_over(layout.take(time.monotonic()), some, rows, after):
                    return
                if states:
                    since = layout.since()
                    reached = states[-1].at if since is None else min(since, states[-1].at)
                    self._note(kept_as, Cursor(after.lines, after.intervals, reached), layout)
            news = time.monotonic() if some else news
            traces = layout.take(time.monotonic(), last or time.monotonic() - news > QUIET)
            if not self._hand_over(traces, some, rows, after):
                return
            if some or traces:
                self._note(kept_as, Cursor(after.lines, after.intervals, layout.since()), layout)
            cursor = after
            self._own.exporter_queued(EXPORTER, 0)
            if last:
                return
            self._rest()

    def _note(self, kept_as: str, cursor: Cursor, layout: Layout) -> None:
        """All up to the cursor has arrived: to be kept in the store."""
        memory = msgspec.Raw(msgspec.json.encode(layout.memory()))
        self._kept = (kept_as, msgspec.json.encode(Position(cursor, memory)))

    def _hand_over(self, traces: Sequence[Trace], some: int, rows: Rows, after: Cursor) -> bool:
        """Send until all has arrived; False when the watch ends first. `some` rows were taken up with them."""
        assert self._sender is not None
        for spans in requests_of(traces):
            self._own.exporter_queued(EXPORTER, rows.waiting + len(spans))
            send = self._sender.send_many if some + len(spans) > MANY else self._sender.send
            while not (verdict := send(spans)).ok:
                self._own.exporter_queued(EXPORTER, rows.waiting + len(spans) + rows.beyond(after))
                if not self._wait_for_return(self._url, verdict.reason, verdict.wait):
                    return False
            self._arrived(self._url)
            if verdict.rejected:
                self._own.exporter_failed(EXPORTER, verdict.rejected)
                logger.warning("spans: {} refused {} spans for good: {}", self._url, verdict.rejected, verdict.reason)
        return not self._ended.is_set()


def requests_of(traces: Sequence[Trace]) -> Iterator[list[Span]]:
    """Whole traces together, as many as a request takes; a trace that is larger is cut."""
    request: list[Span] = []
    for trace in traces:
        if request and len(request) + len(trace) > REQUEST:
            yield request
            request = []
        request += trace
        while len(request) > REQUEST:
            yield request[:REQUEST]
            request = request[REQUEST:]
    if request:
        yield request
