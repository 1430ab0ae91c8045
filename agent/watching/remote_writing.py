"""Which receivers of remote write a run's figures go to: the one that was named, and the machine's own Prometheus."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Set
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from rli_agent.catalogue import Catalogue
from rli_agent.errors import UserError
from rli_agent.options import WatchOptions
from rli_agent.publish.address import checked_url
from rli_agent.publish.exposition import Exposition, page
from rli_agent.publish.headers import of_file, of_variable, warn_if_open
from rli_agent.publish.naming import Naming, RunLabels
from rli_agent.publish.publisher import Publisher
from rli_agent.server.history import StackHistory
from rli_agent.server.targets import JOB
from rli_agent.store.run_store import RunStore

if TYPE_CHECKING:
    from rli_agent.publish.remote_write.exporter import Page, RemoteWrite
    from rli_agent.publish.remote_write.target import Access, Target

#: Headers for the receiver, `name=value,name=value`.
VARIABLE = "RLI_AGENT_REMOTE_WRITE_HEADERS"


class RemoteWriting(Struct):
    """What an exporter needs to know of a watched run; see `RemoteWrite`."""

    options: WatchOptions
    catalogue: Catalogue
    store: RunStore
    exposition: Exposition
    labels: Callable[[], RunLabels]
    unsettled: Callable[[], Set[str]]
    stop: threading.Event

    def exporters(self, address: Callable[[], str | None]) -> list[Publisher]:
        """`address`: where /metrics is served, None if nowhere. Raises UserError."""
        options = self.options
        if options.private or options.remote_write == "none":
            return []
        found: list[Publisher] = [StackHistory(partial(self._open, "history"), address)]
        if options.remote_write is not None:
            found.append(self._named(options.remote_write, address))
        return found

    def _named(self, given: str, address: Callable[[], str | None]) -> RemoteWrite:
        from rli_agent.publish.remote_write.exporter import Page  # here: it brings an HTTP client with it
        from rli_agent.publish.remote_write.target import EXAMPLE, Access, Target

        options = self.options
        try:
            url = checked_url(given, "figures", EXAMPLE)
        except ValueError as e:
            raise UserError(str(e)) from None
        access = Access(self._headers(url), options.remote_write_ca, options.remote_write_cert)
        everything = options.remote_write_mode == "all"
        shown = Page(lambda: page([self.exposition], openmetrics=False).decode(), options.remote_write_interval)

        def find() -> Target:
            return Target(url, self._place(None if everything else address()), f"remote write {url}")

        return self._open("remote_write", find, access, shown if everything else None)

    def _place(self, address: str | None) -> dict[str, str]:
        """The labels that a scrape would give; `address`: of it, where there is one."""
        port = f":{address.rpartition(':')[2]}" if address is not None else ""
        given = dict(label.split("=", 1) for label in self.options.remote_write_labels)
        return {"job": JOB, "instance": f"{socket.gethostname()}{port}", **given}

    def _headers(self, url: str) -> dict[str, str]:
        file, said = self.options.remote_write_headers_file, os.environ.get(VARIABLE, "")
        headers = {}
        if file is not None:
            headers = of_file(file, "figures")
        elif said.strip():
            headers = of_variable(said, VARIABLE, "figures")
        warn_if_open(headers, url, "figures")
        return headers

    def _open(
        self, exporter: str, find: Callable[[], Target | None], access: Access | None = None, shown: Page | None = None
    ) -> RemoteWrite:
        from rli_agent.publish.remote_write.exporter import RemoteWrite  # here: it brings an HTTP client with it

        naming, own = Naming(self.catalogue, self.options.namespace), self.exposition.own
        return RemoteWrite(
            self.store, find, exporter, naming, self.labels, self.unsettled, own, self.stop, access, shown
        )  # fmt: skip
