"""Numbers and payloads in text, as Python, loguru, tqdm and people print them. Nothing is evaluated; nothing raises."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

#: Longest payload that is looked at, and deepest nesting.
MAX_TEXT = 1 << 20
MAX_DEPTH = 50

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|NaN|[iI]nf(?:inity)?)")
_WRAPPED = re.compile(r"(?:np|numpy|torch)?\.?(?:float|int|uint|bool|bfloat|tensor)\d*_?\(\s*([^,()]+?)\s*(?:,[^()]*)?\)$")
_HUMAN = re.compile(r"(?:(\d+)d ?)?(?:(\d+)h ?)?(?:(\d+)m ?)?(?:(\d+(?:\.\d+)?)s)?$")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2}(?:\.\d+)?)$")
_SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "µs": 1e-6,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0,
}  # fmt: skip
_TIMES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}


class Quantity(NamedTuple):
    """A number with what follows it. Durations are in seconds (unit "s"), percentages stay (unit "percent").

    `of` is the second number of `102/128`.
    """

    value: float | int
    unit: str | None
    rest: str = ""
    of: float | int | None = None


def number(text: str) -> float | int | None:
    """A number as text: plain, nan and inf in any spelling, True/False (1/0), np.float64(…), tensor(…), 1,234."""
    text = text.strip()
    if not text or len(text) > 200:
        return None
    last = text[-1]
    if last == ")":
        wrapped = _WRAPPED.match(text)
        return number(wrapped.group(1)) if wrapped is not None else None
    if last not in "0123456789.nNfFyeE":
        return None
    if text in ("True", "False"):
        return int(text == "True")
    if _NUMBER.fullmatch(text) is None:
        return None
    plain = text.replace(",", "")
    try:
        return int(plain)
    except ValueError:
        return float(plain)


def duration(text: str) -> float | None:
    """Seconds of `61.02s`, `61.02 seconds`, `1m 17s`, `1h 2m`, `1d 3h`, `850ms`, `00:01:11.836`, `5:36:16` or a bare number."""
    text = text.strip()
    if not text or len(text) > 100:
        return None
    clock = _CLOCK.match(text)
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    read = quantity(text)
    if read is None or (read.unit not in (None, "s")):
        return None
    return float(read.value)


def quantity(text: str) -> Quantity | None:
    """A number and its unit, as people print them; None where the text does not begin with a number."""
    text = text.strip()
    if not text or len(text) > 1000:
        return None
    human = _HUMAN.match(text)
    if human is not None and any(human.groups()):
        days, hours, minutes, seconds = human.groups()
        whole = int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60
        return Quantity(whole + float(seconds or 0), "s")
    found = _NUMBER.match(text)
    if found is None or text[found.end() : found.end() + 1] == "(":
        value = number(text)
        return Quantity(value, None) if value is not None else None
    value = number(found.group())
    if value is None:
        return None
    rest = text[found.end() :]
    of = None
    if rest[:1] == "/":
        second = _NUMBER.match(rest, 1)
        if second is not None:
            of, rest = number(second.group()), rest[second.end() :]
    if not rest:
        return Quantity(value, None, "", of)
    if rest[0] == "%":
        return Quantity(value, "percent", rest[1:].strip(), of)
    word, _, more = rest.strip().partition(" ")
    if rest[0] != " " and not (rest[0].isalpha() or rest[0] == "µ"):
        return Quantity(value, None, rest.strip(), of)
    if word.startswith("("):
        return Quantity(value, None, rest.strip(), of)
    word = word.rstrip(",;.")
    if word in _SECONDS and (rest[0] != " " or len(word) > 1 or word == "s"):
        return Quantity(value * _SECONDS[word], "s", more, of)
    if word in _TIMES and rest[0] != " ":
        return Quantity(value * _TIMES[word], None, more, of)
    return Quantity(value, word or None, more, of)


def assigned(text: str, between: str = " - ", assign: str = ":") -> list[tuple[str, str]]:
    """`key:value - key:value` as (key, printed value). The last `assign` separates; what has no number is dropped.

    Where something is glued behind a value, the value ends at the first character that is not part of it.
    """
    found = []
    for part in text[:MAX_TEXT].split(between):
        key, sign, value = part.rpartition(assign)
        if sign and number(value) is not None:
            found.append((key.strip(), value.strip()))
            continue
        cut = _glued(part, assign)
        if cut is not None:
            found.append(cut)
    return found


def _glued(part: str, assign: str) -> tuple[str, str] | None:
    """The key and the value of a part behind whose value something else stands."""
    at = part.find(assign)
    while at >= 0:
        begin = at + len(assign)
        value = re.compile(r"(?:np\.\w+|tensor)\([^()]*\)|" + _NUMBER.pattern).match(part, begin)
        if value is not None and number(value.group()) is not None and not part[value.end() : value.end() + 1].isalnum():
            return part[:at].strip(), value.group()
        at = part.find(assign, begin)
    return None


def labelled(text: str, between: str = "|") -> list[tuple[str, Quantity]]:
    """`Loss 0.0014 | Grad. Norm: 0.0360 | Peak Mem. 41.3 GiB` as (label, quantity); a bare quantity has label ""."""
    found = []
    for part in text[:MAX_TEXT].split(between):
        part = part.strip()
        label, colon, value = part.partition(": ")
        read = quantity(value) if colon else None
        if read is None:
            label, read = _label(part)
        if read is not None:
            found.append((label.strip().rstrip(":"), read))
    return found


def _label(part: str) -> tuple[str, Quantity | None]:
    words = part[:400].split(" ")
    for i, word in enumerate(words):
        if word and (word[0] in "+-.0123456789" or word[:3].lower() in ("nan", "inf")):
            read = quantity(" ".join(words[i:]))
            if read is not None:
                return " ".join(words[:i]), read
    return part, None


def json_object(text: str | bytes) -> dict[str, float | int | str | None] | None:
    """A JSON object, nested keys joined with "/"; NaN and Infinity, which Python prints, are understood."""
    raw = text if isinstance(text, bytes) else text.encode()
    if len(raw) > MAX_TEXT:
        return None
    begin, end = raw.find(b"{"), raw.rfind(b"}")
    if begin < 0 or end < begin:
        return None
    try:
        value = msgspec.json.decode(raw[begin : end + 1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return python_dict(raw.decode(errors="replace"))
    return _flat(value) if isinstance(value, dict) else None


def _flat(value: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, float | int | str | None]:
    out: dict[str, float | int | str | None] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            if depth < MAX_DEPTH:
                out |= _flat(item, f"{name}/", depth + 1)
        elif isinstance(item, bool):
            out[name] = int(item)
        elif isinstance(item, int | float):
            out[name] = item
        elif isinstance(item, str):
            read = number(item)
            out[name] = read if read is not None else item
        elif item is None:
            out[name] = None
    return out


_TOKEN = re.compile(
    r"""\s*(?:(?P<open>[{\[(])|(?P<close>[}\])])|(?P<mark>[,:])|(?P<text>[rbuf]?'(?:[^'\\]|\\.)*'|[rbuf]?"(?:[^"\\]|\\.)*")"""
    r"""|(?P<call>[A-Za-z_][\w.]*\()|(?P<word>[^\s,:{}\[\]()'"]+))""",
    re.DOTALL,
)
_PAIRS = {"{": "}", "[": "]", "(": ")"}


def python_dict(text: str) -> dict[str, float | int | str | None] | None:
    """The first dict's repr in a text, nested keys joined with "/"; lists are dropped, numbers in quotes are numbers."""
    begin = text.find("{")
    if begin < 0 or len(text) > MAX_TEXT:
        return None
    out: dict[str, float | int | str | None] = {}
    at = _dict(text, begin + 1, "", out, 0)
    return out if at is not None else None


def _dict(text: str, at: int, prefix: str, out: dict[str, Any], depth: int) -> int | None:
    """Read behind a `{`; where the dict ends, or None where the text is no dict."""
    if depth > MAX_DEPTH:
        return None
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        if token["close"]:
            return token.end() if token["close"] == "}" else None
        if token["mark"] == ",":
            at = token.end()
            continue
        key = _unquoted(token["text"]) if token["text"] else token["word"]
        colon = _TOKEN.match(text, token.end())
        if key is None or colon is None or colon["mark"] != ":":
            return None
        name = prefix + key
        token = _TOKEN.match(text, colon.end())
        if token is None:
            return None
        if token["open"] == "{":
            end = _dict(text, token.end(), name + "/", out, depth + 1)
        elif token["open"] or token["call"]:
            end = _skip(text, token.end(), ")" if token["call"] else _PAIRS[token["open"]])
            if end is not None and token["call"]:
                value = number(text[token.start() : end].strip())
                if value is not None:
                    out[name] = value
        elif token["text"]:
            end, said = token.end(), _unquoted(token["text"])
            read = number(said)
            out[name] = read if read is not None else said
        elif token["word"]:
            end, read = token.end(), number(token["word"])
            if read is not None:
                out[name] = read
            elif token["word"] in ("None", "null"):
                out[name] = None
            elif token["word"] in ("true", "false"):
                out[name] = int(token["word"] == "true")
        else:
            return None
        if end is None:
            return None
        at = end


def _skip(text: str, at: int, closing: str) -> int | None:
    """Behind the bracket that closes what was opened just before `at`."""
    expected = [closing]
    while expected:
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        if token["open"]:
            expected.append(_PAIRS[token["open"]])
        elif token["call"]:
            expected.append(")")
        elif token["close"]:
            if token["close"] != expected.pop():
                return None
        if len(expected) > MAX_DEPTH:
            return None
    return at


def _unquoted(text: str) -> str:
    body = text[text.index(text[-1]) + 1 : -1]
    return re.sub(r"\\(.)", r"\1", body) if "\\" in body else body


