"""Downloads: resumed where they broke off, tried again, bounded, and told about as they go."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests

T = TypeVar("T")
#: Seconds to reach a server, and between two blocks from it.
TIMEOUT = (10, 60)
#: Tries without a byte gained before a download is given up, also where no server is reached, and the first pause
#: between two of them, in seconds; each next one is twice as long.
TRIES = 5
TRIES_OFFLINE = 2
FIRST_PAUSE = 1.0
#: Bytes taken at once; what a connection that breaks off brought beyond a whole block is lost.
BLOCK = 1 << 14
#: No archive and no file of sums is as large as this.
MOST_BYTES = 3 << 30
MOST_TEXT = 4 << 20

#: How urllib3 begins its messages: with the connection object.
_OBJECT = re.compile(r"^<?HTTPS?Connection(?:Pool)?\b[^:]*(?:>|\)): ")

#: Takes bytes here, and bytes in all (0: not known).
Progress = Callable[[int, int], None]


class FetchError(Exception):
    """A download that failed. str() says what and why; `absent`: the server has no such file; `offline`: no server was
    reached."""

    def __init__(self, message: str, *, absent: bool = False, offline: bool = False) -> None:
        super().__init__(message)
        self.absent = absent
        self.offline = offline


class Fetcher:
    """Gets files by HTTP(S), through proxies as `http_proxy`, `https_proxy` and `no_proxy` say. Usable from several
    threads; `stop` ends what is under way with FetchError, leaving the part that came."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def text(self, url: str) -> str:
        """A small file. Raises FetchError."""

        def get() -> str:
            with requests.get(url, timeout=TIMEOUT, stream=True) as reply:
                _check(reply, url)
                body: bytes = reply.raw.read(MOST_TEXT, decode_content=True)
                return body.decode("utf-8", "replace")

        return self._trying(url, get, lambda: 0)

    def file(self, url: str, target: Path, progress: Progress) -> bool:
        """Bring `url` to `target`; what came of it before lies in `target` + `.part`, and is gone on from. Whether it
        was. Raises FetchError; the part stays for the next try."""
        part = target.with_name(f"{target.name}.part")
        before = _size(part)
        self._trying(url, lambda: self._get(url, part, progress), lambda: _size(part))
        part.replace(target)
        return before > 0

    def _trying(self, url: str, get: Callable[[], T], gained: Callable[[], int]) -> T:
        """Call `get` until it works, or TRIES times in a row brought nothing."""
        idle = 0
        while True:
            had = gained()
            try:
                with _asking(url):
                    return get()
            except _Passing as e:
                idle = 0 if gained() > had else idle + 1
                if idle >= (TRIES_OFFLINE if e.error.offline else TRIES):
                    raise e.error from None
            if self._stop.wait(FIRST_PAUSE * 2**idle):
                raise FetchError(f"{url}: interrupted")

    def _get(self, url: str, part: Path, progress: Progress) -> None:
        have = _size(part)
        headers = {"Range": f"bytes={have}-"} if have else {}
        headers["Accept-Encoding"] = "identity"
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as reply:
            if reply.status_code == 416:  # the part is not one of this file, or is all of it
                if _whole(reply) == have:
                    return
                part.unlink()
                raise _Passing(FetchError(f"{url}: the server cannot go on from byte {have}"))
            _check(reply, url)
            if reply.status_code != 206:
                have = 0
            length = int(reply.headers.get("Content-Length") or 0)
            total = have + length
            if total > MOST_BYTES:
                raise FetchError(f"{url} is {total:,} bytes, more than any archive of these programs")
            _room(part, length)
            with part.open("ab" if have else "wb") as file:
                for block in reply.iter_content(BLOCK):
                    if self._stop.is_set():
                        raise FetchError(f"{url}: interrupted; the next try goes on from here")
                    file.write(block)
                    have += len(block)
                    if have > MOST_BYTES:
                        raise FetchError(f"{url} is larger than any archive of these programs")
                    progress(have, total if length else 0)
            if length and have < total:
                raise _Passing(FetchError(f"{url}: the connection broke off at {have:,} of {total:,} bytes"))


class _Passing(Exception):
    """A failure that the next try may not meet."""

    def __init__(self, error: FetchError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """What requests and the disk say, as FetchError, or as _Passing where trying again helps."""
    host = urlsplit(url).hostname or url
    try:
        yield
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema) as e:
        raise FetchError(f"{url} cannot be fetched: {e}") from None
    except requests.exceptions.ProxyError as e:
        error = FetchError(f"the proxy for {host} cannot be used: {_reason(e)}", offline=True)
        raise _Passing(error) from None
    except requests.exceptions.SSLError as e:
        raise FetchError(f"the certificate of {host} is not trusted here: {_reason(e)}", offline=True) from None
    except requests.exceptions.Timeout:
        raise _Passing(FetchError(f"{host} did not answer within {TIMEOUT[1]} s", offline=True)) from None
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as e:
        raise _Passing(FetchError(f"{url}: the connection broke off: {_reason(e)}")) from None
    except requests.exceptions.ConnectionError as e:
        raise _Passing(FetchError(f"{host} cannot be reached: {_reason(e)}", offline=True)) from None
    except requests.exceptions.RequestException as e:
        raise FetchError(f"{url}: {_reason(e)}") from None
    except OSError as e:
        raise FetchError(f"{url}: {_disk(e)}") from None


def _check(reply: requests.Response, url: str) -> None:
    status = reply.status_code
    if status in (200, 206):
        return
    if status in (404, 410):
        raise FetchError(f"{url} does not exist (HTTP {status})", absent=True)
    error = FetchError(f"{url}: the server answered {status} {reply.reason}")
    if status in (408, 425, 429) or status >= 500:
        raise _Passing(error)
    raise error


def _whole(reply: requests.Response) -> int:
    """The file's size as an answer 416 tells it; -1 where it does not."""
    total = reply.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else -1


def _room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:,.0f} MB more are needed, {free / 1e6:,.0f} MB are free", str(part))


def _disk(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk that holds {error.filename or 'the downloads'} is full: {error.strerror}"
    return f"cannot be written: {error.strerror or error}" + (f": {error.filename}" if error.filename else "")


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests wraps urllib3's errors, which wrap the system's."""
    for _ in range(5):
        inner = [getattr(error, "reason", None), *error.args]
        error = next((e for e in inner if isinstance(e, BaseException)), error)
    return _OBJECT.sub("", str(error))[:200] or type(error).__name__


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
