"""Who may see the page: whoever shows the token, and asks for this machine by a name that it has."""

from __future__ import annotations

import hmac
import ipaddress
import os
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from rli_agent.publish.server import Reply, Request

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_YEAR = 365 * 86_400


class Access:
    """token: what must be shown. host: where the agent listens; beyond this machine it may be asked for by any address,
    and by the machine's own name."""

    def __init__(self, token: str, host: str) -> None:
        self._token = token.encode()
        # Cookies know no ports, and a browser may reach several agents as 127.0.0.1: each has a cookie of its own.
        self._cookie = f"rli_agent_{sha256(self._token).hexdigest()[:8]}"
        self._names = {*_LOCAL, host}
        self._open = host not in _LOCAL
        if self._open:
            self._names |= {os.uname().nodename, os.uname().nodename.partition(".")[0]}

    def refused(self, request: Request) -> Reply | None:
        """What is said to somebody who may not see the page; None to who may."""
        if not self._is_ours(request.headers.get("Host", "")):
            text = "This is not the machine that you asked for. Ask for 127.0.0.1, or for the name in --listen."
            return Reply(421, "text/plain; charset=utf-8", f"{text}\n".encode())
        shown = [value for name, value in parse_qsl(request.query, max_num_fields=100) if name == "token"]
        if shown and self._fits(shown[0]) and not request.path.startswith("/api/"):
            return self._let_in(request)
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self._fits(bearer) or self._fits(self._of_cookie(request)):
            return None
        return _closed(request)

    def _fits(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode("utf-8", "replace"), self._token)

    def _of_cookie(self, request: Request) -> str:
        try:
            found = SimpleCookie(request.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    def _let_in(self, request: Request) -> Reply:
        """Keep the token in a cookie, and have it vanish from the address."""
        rest = urlencode([(n, v) for n, v in parse_qsl(request.query, max_num_fields=100) if n != "token"])
        cookie = f"{self._cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict; Max-Age={_YEAR}"
        place = "/" + request.path.lstrip("/\\") + (f"?{rest}" if rest else "")
        return Reply(303, "text/plain; charset=utf-8", b"", (("Set-Cookie", cookie), ("Location", place)))

    def _is_ours(self, host: str) -> bool:
        name = host.strip().lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") <= 1:
            name = name.partition(":")[0]
        if name in {known.lower() for known in self._names}:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._open


def _closed(request: Request) -> Reply:
    headers = (("WWW-Authenticate", 'Bearer realm="rli-agent"'),)
    said = "the page wants its token, because it shows prompts and completions"
    todo = "open the address that `rli-agent watch` or `rli-agent page` printed (…/?token=…)"
    if request.path.startswith("/api/"):
        body = f'{{"error": "{said}", "hint": "{todo}, or send it as Authorization: Bearer TOKEN"}}'
        return Reply(401, "application/json", body.encode(), headers)
    text = (
        "<!doctype html><meta charset=utf-8><title>rli-agent</title>"
        f"<p>Closed: {said}.<p>Please {todo}. It is also in the file <code>page-token</code> of the state directory."
        '<p>You came by a link that has the token? <a href="/">Open the page</a>.'
    )
    return Reply(401, "text/html; charset=utf-8", text.encode(), headers)
