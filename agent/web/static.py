"""The page's files: those in dashboards/page."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

import rli_agent.dashboards

#: What is never compiled or run by a browser is not served.
TYPES = {
    "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml",
    "png": "image/png", "ico": "image/x-icon", "json": "application/json", "map": "application/json",
    "woff2": "font/woff2", "txt": "text/plain; charset=utf-8", "webmanifest": "application/manifest+json",
}  # fmt: skip
_PACKED = ("text/", "application/", "image/svg")


class StaticFile(Struct, frozen=True):
    """A file as it is sent; `packed`: the same under gzip, where that is worth it."""

    kind: str
    body: bytes
    packed: bytes | None
    etag: str


class StaticFiles:
    """All files of the page, by their path. What is not in this table is not there: no path is ever made of what a
    client asks."""

    def __init__(self) -> None:
        folder = Path(rli_agent.dashboards.__path__[0]) / "page"
        found = (path for path in folder.rglob("*") if path.suffix[1:] in TYPES and path.is_file())
        self._places = {f"/page/{path.relative_to(folder).as_posix()}": path for path in found}
        if "/page/index.html" in self._places:
            self._places["/"] = self._places["/page/index.html"]
        self._files: dict[str, StaticFile] = {}

    def get(self, path: str) -> StaticFile | None:
        """The file at a path, read and packed when it is first asked for."""
        place = self._places.get(path)
        if place is None:
            return None
        found = self._files.get(path)
        if found is None:
            body = place.read_bytes()
            kind = TYPES[place.suffix[1:]]
            packed = gzip.compress(body, 9, mtime=0) if kind.startswith(_PACKED) and len(body) > 500 else None
            found = self._files[path] = StaticFile(kind, body, packed, etag_of(body))
        return found


def etag_of(body: bytes) -> str:
    """What tells a body from others."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
