"""Headers that go along with what is sent: credentials of a receiver that wants some. They come from a file or the
environment, never from the command line, which others see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.publish.address import is_loopback

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\x20-\x7e\t]{0,8192}")
#: What the protocol itself says.
_TAKEN = frozenset({"content-type", "content-length", "content-encoding", "host", "transfer-encoding", "connection"})


def of_file(file: Path, what: str) -> dict[str, str]:
    """The headers in a file, one `Name: value` a line. Raises UserError, which does not show what cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is not text"
        raise UserError(f"the headers for {what} cannot be read from {file}: {reason}") from None
    lines = [
        (f"line {number}", *_split(line, ":"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return _of(lines, str(file), "one `Name: value` a line", what)


def of_variable(text: str, variable: str, what: str) -> dict[str, str]:
    """The same of `name=value,name=value`, URL-encoded as OpenTelemetry's standard has it."""
    split = [_split(part, "=") for part in text.split(",") if part.strip()]
    parts = [(f"part {i}", unquote(name), unquote(value)) for i, (name, value) in enumerate(split, 1)]
    return _of(parts, variable, "name=value,name=value", what)


def warn_if_open(headers: dict[str, str], url: str, what: str) -> None:
    """Say so where credentials go over a network in the clear."""
    if headers and urlsplit(url).scheme == "http" and not is_loopback(url):
        logger.warning("{}: their headers go to {} without encryption", what, urlsplit(url).hostname)


def _split(text: str, sign: str) -> tuple[str, str]:
    name, _, value = text.partition(sign)
    return name.strip(), value.strip()


def _of(read: Iterable[tuple[str, str, str]], origin: str, form: str, what: str) -> dict[str, str]:
    headers = {}
    for place, name, value in read:
        if not _NAME.fullmatch(name) or not value or not _VALUE.fullmatch(value):
            raise UserError(f"{origin}, {place}: no header that could be sent with {what}", f"it has the form {form}")
        if name.lower() in _TAKEN:
            raise UserError(f"{origin}, {place}: `{name}` is not for you to set", "leave it out")
        headers[name] = value
    return headers
