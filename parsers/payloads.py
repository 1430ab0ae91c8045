"""Lines and objects of several figures in text, as Python, JSON, loguru and people print them.

Nothing is evaluated, nothing raises, and every function takes time linear in a bounded length of its input.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from rli_agent.parsers.lazy_patterns import lazy_pattern
from rli_agent.parsers.quantities import VALUE, Quantity, number, quantity

Flat: TypeAlias = dict[str, float | int | str | None]

#: Characters of a payload that are looked at; more is no metrics line.
MAX_TEXT = 1 << 20
#: Nested dicts that are gone into.
MAX_DEPTH = 50
#: Parts of a pairs line, and tokens of a dict, that are looked at.
MAX_PARTS = 5_000
MAX_TOKENS = 50_000
_GLUED_WRITER = lazy_pattern(r"\([^()]{0,120}pid=")
_BEGIN = lazy_pattern(r"(?<!\S)(?=[+-]?(?:\.?\d|nan|inf)|np\.|tensor\()", re.ASCII | re.IGNORECASE)


def assigned(text: str, between: str = " - ", assign: str = ":") -> list[tuple[str, str]]:
    """`key:value - key:value` as (key, value as printed), the grammar of verl's step line.

    Keys may hold `assign`: the last one before the value separates. What is glued behind a value is cut off. Parts
    without a number are left out.
    """
    found = []
    for part in _parts(text, between) if assign else ():
        key, _, value = part.rpartition(assign)
        value = value.strip()
        if number(value) is None:
            key, value = _glued(part, assign)
        key = key.strip()
        if key:
            found.append((key, value))
    return found


def _parts(text: str, between: str) -> list[str]:
    text = text[:MAX_TEXT]
    return text.split(between, MAX_PARTS)[:MAX_PARTS] if between else [text]


def _glued(part: str, assign: str) -> tuple[str, str]:
    """Key and value of a part behind whose value something else stands; two empty texts where it holds no value.

    Keys have no spaces: what is looked at ends at the first space, and before another writer's prefix.
    """
    part = part[:4096].strip()
    writer = _GLUED_WRITER.search(part)
    end = min(at for at in (part.find(" "), writer.start() if writer else -1, len(part)) if at >= 0)
    key = value = ""
    at = part.find(assign)
    while 0 <= at < end and not value.endswith(")"):
        begin = at + len(assign)
        read = VALUE.match(part, begin)
        if read is not None and number(read[0]) is not None:
            key, value = part[:at], read[0]
        at = part.find(assign, begin)
    return key, value


def labelled(text: str, between: str = "|") -> list[tuple[str, Quantity]]:
    """`Loss 0.0014 | Grad. Norm: 0.0360 | Trainable 102/128 (79.7%)` as (label, quantity): prime-rl's and vLLM's lines.

    A quantity alone has the label ""; parts without a quantity are left out.
    """
    found = []
    for part in _parts(text, between):
        part = part[:400].strip()
        label, colon, value = part.partition(": ")
        read = quantity(value) if colon else None
        if read is None:
            label, read = _label(part)
        if read is not None:
            found.append((label.strip().rstrip(":"), read))
    return found


def _label(part: str) -> tuple[str, Quantity | None]:
    """The label ends where the first quantity begins behind which no more words stand (`Top 5 accuracy 0.3`)."""
    first: tuple[str, Quantity | None] = (part, None)
    for begin in islice(_BEGIN.finditer(part), 8):
        read = quantity(part[begin.start() :])
        if read is None or read.rest.startswith(":"):
            continue
        if not read.rest[:1].isalnum():
            return part[: begin.start()], read
        if first[1] is None:
            first = part[: begin.start()], read
    return first


def json_object(text: str | bytes) -> Flat | None:
    """The JSON object in a text, nested keys joined with "/", lists left out, numbers in quotes as numbers, booleans as
    1 and 0. NaN and Infinity, which Python prints and JSON does not know, are understood."""
    raw = text if isinstance(text, bytes) else text.encode(errors="replace")
    begin, end = raw.find(b"{"), raw.rfind(b"}")
    if begin < 0 or len(raw) > MAX_TEXT:
        return None
    try:
        value = msgspec.json.decode(raw[begin : end + 1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return python_dict(raw.decode(errors="replace"))
    out: Flat = {}
    _flatten(value, "", 0, out)
    return out


def _flatten(value: dict[str, Any], prefix: str, depth: int, out: Flat) -> None:
    for key, item in value.items():
        if isinstance(item, dict):
            if depth < MAX_DEPTH:
                _flatten(item, f"{prefix}{key}/", depth + 1, out)
        elif isinstance(item, str):
            read = number(item)
            out[prefix + key] = item if read is None else read
        elif isinstance(item, bool):
            out[prefix + key] = int(item)
        elif item is None or isinstance(item, int | float):
            out[prefix + key] = item


_TOKEN = lazy_pattern(
    r"\s*(?:(?P<open>[{\[(])|(?P<close>[}\])])|(?P<mark>[,:])"
    r"|(?P<prefix>[rbfuRBFU]{0,2})(?P<text>'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
    r"|(?P<word>[^\s,:{}\[\]()'\"]+)|)",  # the empty way out keeps a failure from trying every length of the space
    re.DOTALL,
)
_CONSTANTS = {"None": None, "null": None, "true": 1, "false": 0}
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_ESCAPE = lazy_pattern(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})|(.))", re.DOTALL
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0", "\n": ""}


def python_dict(text: str) -> Flat | None:
    """The first dict in a text, from its repr: nested keys joined with "/", lists, tuples and objects left out, numbers
    in quotes (HF Trainer of transformers ≥ 5 logs such) as numbers, booleans as 1 and 0. None where there is none."""
    if len(text) > MAX_TEXT:
        return None
    reader = _DictReader(text)
    begin = -1
    for _ in range(8):
        begin = text.find("{", begin + 1)
        if begin < 0:
            return None
        out: Flat = {}
        if reader.read(begin + 1, "", 0, out) is not None:
            return out
    return None


class _DictReader:
    """Walks over a repr. Positions are None where the text is no dict, or the tokens are used up."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = MAX_TOKENS

    def _token(self, at: int) -> re.Match[str] | None:
        self._left -= 1
        token = _TOKEN.match(self._text, at) if self._left > 0 else None
        return token if token is not None and token.lastgroup is not None else None

    def read(self, at: int, prefix: str, depth: int, out: Flat) -> int | None:
        """Read behind a `{`: the position behind its `}`."""
        while (token := self._token(at)) is not None and not token["close"]:
            key = _unquoted(token) if token["text"] else token["word"]
            colon = self._token(token.end())
            if key is None or colon is None or colon["mark"] != ":":
                return None
            behind = self._value(colon.end(), prefix + key, depth, out)
            token = self._token(behind) if behind is not None else None
            if token is None or token["mark"] != ",":
                break
            at = token.end()
        return token.end() if token is not None and token["close"] == "}" else None

    def _value(self, at: int, name: str, depth: int, out: Flat) -> int | None:
        """Read a value: the position of what stands behind it."""
        token = self._token(at)
        if token is None or token["close"] or token["mark"]:
            return None
        if token["open"] == "{" and depth < MAX_DEPTH:
            inner: Flat = {}
            end = self.read(token.end(), name + "/", depth + 1, inner)
            if end is not None:
                out.update(inner)
                return end
        end, tokens = self._over(at)
        if end is None:
            return None
        if token["text"]:
            if tokens == 1 and "b" not in token["prefix"].lower():
                said = _unquoted(token)
                read = number(said)
                out[name] = said if read is None else read
        elif token["word"]:
            said = self._text[at:end].strip()
            read = number(said)
            if read is not None:
                out[name] = read
            elif said in _CONSTANTS:
                out[name] = _CONSTANTS[said]
        return end

    def _over(self, at: int) -> tuple[int | None, int]:
        """Where the value that begins here ends, and of how many tokens it is."""
        expected: list[str] = []
        tokens = 0
        while (token := self._token(at)) is not None:
            if not expected and (token["mark"] == "," or token["close"]):
                return at, tokens
            if token["open"]:
                expected.append(_CLOSING[token["open"]])
            elif token["close"] and token["close"] != expected.pop():
                break
            tokens += 1
            at = token.end()
        return None, tokens


def _unquoted(token: re.Match[str]) -> str:
    body: str = token["text"][1:-1]
    if "\\" not in body or "r" in token["prefix"].lower():
        return body
    body = _ESCAPE.sub(_character, body)
    # JSON writes characters beyond U+FFFF as two surrogates
    return body.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    return chr(int(code, 16)) if code else _ESCAPED.get(escape[4], escape[4])
