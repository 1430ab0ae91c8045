"""The page beside `/metrics`: made when somebody first asks for it, so that a watch nobody looks at pays nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from rli_agent.publish.listen import shown
from rli_agent.publish.server import Reply, Request
from rli_agent.publish.token import page_token

if TYPE_CHECKING:
    from rli_agent.web.site import Site


class Page:
    """The page of the runs whose stores `stores` names, at `host` and `port`. state: where its token is kept.
    prometheus: the address of one that knows runs of other machines. Raises OSError where the token cannot be kept."""

    def __init__(
        self, state: Path, host: str, port: int, zone: tzinfo, stores: Callable[[], Iterable[Path]],
        prometheus: str | None = None,
    ) -> None:  # fmt: skip
        self._host = host
        self._port = port
        self._zone = zone
        self._stores = stores
        self._prometheus = prometheus
        self._token = page_token(state)
        self._site: Site | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """What to open, and how to get there from another machine."""
        far = self._host in ("0.0.0.0", "::")
        name = os.uname().nodename
        url = f"http://{shown(name if far else self._host, self._port)}/?token={self._token}"
        return url if far else f"{url} (from elsewhere after: ssh -L {self._port}:{self._host}:{self._port} {name})"

    def reply(self, request: Request) -> Reply:
        """The answer to a request, in the server's threads."""
        with self._lock:
            if self._site is None:
                self._site = self._made()
        return self._site.reply(request)

    def close(self) -> None:
        with self._lock:
            if self._site is not None:
                self._site.close()

    def _made(self) -> Site:
        from rli_agent.web.access import Access  # here: nobody may ever look at the page
        from rli_agent.web.elsewhere import Elsewhere
        from rli_agent.web.site import Site
        from rli_agent.web.stores import Stores

        stores, access = Stores(self._stores, self._zone), Access(self._token, self._host)
        return Site(stores, Elsewhere(self._prometheus), access, threading.Event())


def stores_in(state: Path) -> list[Path]:
    """All stores of a state directory, the one written last first."""
    return sorted(state.glob("runs/*/run.sqlite"), key=_written, reverse=True)


def _written(store: Path) -> float:
    """When a store was last written, 0.0 where it is gone."""
    times = [0.0]
    for path in (store, store.with_name(f"{store.name}-wal")):
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_size:
            times.append(found.st_mtime)
    return max(times)
