"""Handing samples over by remote write 1.0, and understanding the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import requests
from msgspec import Struct

from rli_agent.publish.address import is_loopback
from rli_agent.publish.http_answer import why
from rli_agent.publish.naming import clean
from rli_agent.publish.remote_write.message import HEADERS, Sample, encode
from rli_agent.publish.remote_write.target import Access
from rli_agent.publish.retry_after import retry_after

#: Seconds for an answer.
TIMEOUT = 30.0
#: How receivers speak of samples that they will never take: Prometheus 2.42 to 3.14 (storage/interface.go), Mimir
#: (err-mimir-…), Thanos and VictoriaMetrics.
_ABOUT_SAMPLES = re.compile(
    r"out[- ]of[- ]order|out of bounds|too[- ]old|too far in the|duplicate sample|duplicate timestamp|duplicate label|"
    r"label (?:name|value)|metric name|per-user|err-mimir|conflict",
    re.IGNORECASE,
)
#: … because of their age: whatever is older will not be taken either.
_TOO_OLD = re.compile(r"too[- ]old|out of bounds", re.IGNORECASE)


class Verdict(Struct, frozen=True):
    """What became of a request. taken; refused: some of it will never be taken; large: it is too large; later: it is
    to be tried again, after `wait` seconds where the receiver names some. `about_samples`: the refusal speaks of
    samples; `too_old`: of their age."""

    what: Literal["taken", "refused", "large", "later"]
    reason: str = ""
    wait: float | None = None
    about_samples: bool = False
    too_old: bool = False


class Receiver:
    """Sends to one URL. For one thread, but for `abort`."""

    def __init__(self, url: str, access: Access) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers.clear()
        self._session.headers.update({**HEADERS, **access.headers})
        self._session.auth = _unchanged
        self._session.trust_env = not is_loopback(url)
        self._verify = str(access.ca) if access.ca is not None else None
        self._certificate = str(access.certificate) if access.certificate is not None else None

    def send(self, samples: Sequence[Sample]) -> Verdict:
        """`samples` in the order of their times."""
        try:
            with self._session.post(
                self.url, data=encode(samples), timeout=TIMEOUT, allow_redirects=False, stream=True,
                verify=self._verify, cert=self._certificate,
            ) as answer:  # fmt: skip
                body = next(answer.iter_content(4096), b"")
                return judge(answer.status_code, answer.headers, body)
        except requests.RequestException as error:
            return Verdict("later", why(error))
        except OSError as error:  # a file of certificates that is not there (any more)
            return Verdict("later", clean(str(error), 160))

    def abort(self) -> None:
        """Ends what is under way; may be called from another thread."""
        self._session.close()


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """An answer by the protocol: 2xx took all, 4xx will never take it, anything else may later.

    Two exceptions. Credentials, addresses and limits of a proxy are mended by people, and until then nothing is lost:
    401, 403, 404 and their like are tried again. Prometheus before 2.54 says 500 of a sample that is too old.
    """
    if 200 <= status < 300:
        return Verdict("taken")
    said = clean(" ".join(body.decode("utf-8", "replace").split()), 200)
    reason = f"status {status}{_hint(status)}" + (f": {said}" if said else "")
    about_samples = _ABOUT_SAMPLES.search(said) is not None
    if status == 413:
        return Verdict("large", reason)
    if status in (400, 409, 422) or (status == 500 and about_samples):
        return Verdict("refused", reason, None, about_samples, _TOO_OLD.search(said) is not None)
    return Verdict("later", reason, retry_after(headers.get("Retry-After")))


def _hint(status: int) -> str:
    return {401: " (it wants credentials)", 403: " (it wants credentials)", 404: " (no remote write there)"}.get(
        status, ""
    )


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Our own headers stand: ~/.netrc would take the place of an Authorization."""
    return request
