"""The page without a watch: of finished runs, or of what logs say at this moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import tzinfo
from pathlib import Path

from msgspec.structs import replace

from rli_agent.asking.ask import runs_in, store_of
from rli_agent.asking.stopping import stopped_by_signal
from rli_agent.errors import UserError
from rli_agent.options import WatchOptions
from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer
from rli_agent.store.location import state_dir
from rli_agent.watching.page import Page, stores_in


def serve(options: WatchOptions, zone: tzinfo, say: Callable[[str], None], prometheus: str | None = None) -> None:
    """Serve the runs in each of `options.paths`, those of the state directory, and those that a Prometheus knows, until
    SIGINT or SIGTERM. Raises UserError."""
    state, _ = state_dir(options.state_dir, Path.home())
    stop = stopped_by_signal()
    with ExitStack() as kept:
        own = _stores(options, zone, kept, stop)
        if not own and not stores_in(state) and prometheus is None and not stop.is_set():
            raise UserError(f"no run is known in {state}", "name one: rli-agent page OUTPUT_DIR")
        bound = bind(options.listen)
        if bound is None:
            raise UserError("--listen none leaves nothing to look at", "give HOST:PORT, or leave it out")
        socket, notice = bound
        kept.callback(socket.close)
        if notice:
            say(notice)
        host, port = socket.getsockname()[:2]
        try:
            page = Page(state, host, port, zone, lambda: [*own, *stores_in(state)], prometheus)
        except OSError as error:
            raise UserError(f"the page's token cannot be kept in {state}: {error.strerror or error}") from None
        server = MetricsServer(socket, lambda _: b"", lambda: "", page.reply)
        server.start()
        kept.callback(server.close)
        kept.callback(page.close)
        say(f"page: {page.address}")
        stop.wait()


def _stores(options: WatchOptions, zone: tzinfo, kept: ExitStack, stop: threading.Event) -> list[Path]:
    """A store for each run in the paths; where nobody watches it, it is made here, for as long as the page is
    served."""
    found: list[Path] = []
    for path in options.paths:
        for run in runs_in(replace(options, paths=[path])):
            if not stop.is_set():
                store, _ = kept.enter_context(store_of(run, zone))
                found.append(store)
    return found
