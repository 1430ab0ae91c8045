"""Numbers and payloads in text, as Python, NumPy, torch, loguru, tqdm and people print them.

Nothing is evaluated, nothing raises, and every function takes time linear in a bounded length of its input.
"""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import msgspec

Flat: TypeAlias = dict[str, float | int | str | None]

#: Characters of a payload that are looked at; more is no metrics line.
MAX_TEXT = 1 << 20
#: Nested dicts that are gone into.
MAX_DEPTH = 50
#: Parts of a pairs line, and tokens of a dict, that are looked at.
MAX_PARTS = 5_000
MAX_TOKENS = 50_000
_LONGEST_NUMBER = 200

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
_PLAIN = rf"[+-]?(?:{_DIGITS}|(?:[nN][aA][nN]|[iI][nN][fF](?:inity)?)(?![\w-]))"
_CALL = r"(?:(?:np|numpy)\.\w{1,20}|(?:torch\.)?tensor)\("
_NUMBER = re.compile(_PLAIN, re.ASCII)
_WRAPPED = re.compile(_CALL + r"\s{0,9}([^,()\s]+)\s{0,9}(?:,[^()]*)?\)", re.ASCII)
_VALUE = re.compile(rf"{_CALL}[^()]{{0,200}}\)|{_PLAIN}|(?:True|False)\b", re.ASCII)
_WORDS = {"True": 1, "False": 0, "np.True_": 1, "np.False_": 0}
_OF = re.compile(rf" ?/ ?({_PLAIN})", re.ASCII)

#: Units of time, as powers of ten of a second or in seconds; the short ones only at once behind the number.
_POWERS_OF_SECOND = {
    "s": 0, "sec": 0, "secs": 0, "second": 0, "seconds": 0, "ms": -3, "msec": -3, "milliseconds": -3, "us": -6,
    "µs": -6, "μs": -6, "microseconds": -6, "ns": -9,
}  # fmt: skip
_SECONDS = {
    "min": 60, "mins": 60, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86400, "days": 86400,
}  # fmt: skip
_SHORT = {"m": 60, "h": 3600, "d": 86400}
_POWERS = {"K": 3, "k": 3, "M": 6, "B": 9}
_HUMAN = re.compile(
    r"(?:(\d{1,6})d ?)?(?:(\d{1,6})h ?)?(?:(\d{1,6})m ?)?(?:(\d{1,12}(?:\.\d{1,12})?)s)?(?![\w/])", re.ASCII
)
_CLOCK = re.compile(r"(?:(\d{1,6}) days?, )?(?:(\d{1,6}):)?(\d{1,2}):(\d{2}(?:\.\d{1,12})?)", re.ASCII)
_UNIT = re.compile(r"[A-Za-zµμ][\wµμ/]*", re.ASCII)
_GLUED_WRITER = re.compile(r"\([^()]{0,120}pid=")
_BEGIN = re.compile(r"(?<!\S)(?=[+-]?(?:\.?\d|nan|inf)|np\.|tensor\()", re.ASCII | re.IGNORECASE)


class Quantity(NamedTuple):
    """A number and what follows it.

    `unit` is the word behind the number; "s" for every duration (the value is in seconds), "percent" for `%` (the
    value stays a percentage), None where there is none. `of` is the second number of `102/128`. `rest` is what follows.
    """

    value: float | int
    unit: str | None
    rest: str = ""
    of: float | int | None = None


def number(text: str) -> float | int | None:
    """The number that a text is, None where it is none: plain, thousands with commas, nan and inf in any spelling,
    True and False (1, 0), NumPy 2's np.float64(0.5), torch's tensor(0.5, device='cuda:0'). An int stays one."""
    text = text.strip()
    if not text or len(text) > _LONGEST_NUMBER:
        return None
    if text[-1] == ")":
        wrapped = _WRAPPED.fullmatch(text)
        return number(wrapped[1]) if wrapped is not None else None
    if _NUMBER.fullmatch(text) is None:
        return _WORDS.get(text)
    return _plain(text)


def _plain(text: str, power: int = 0) -> float | int:
    """The value of what _NUMBER matched, times a power of ten, rounded once."""
    if "," in text:
        text = text.replace(",", "")
    if power == 0:
        try:
            return int(text)
        except ValueError:
            return float(text)
    if text[-1] in "0123456789." and "e" not in text and "E" not in text:
        return float(f"{text}e{power}")
    return float(text) * 10.0**power


def quantity(text: str) -> Quantity | None:
    """The number at the beginning of a text, with its unit; None where none stands there.

    `27.8%`, `41.3 GiB`, `5.2/23.7 GiB (22.1%)`, `21910 tokens/s`, `1.1M`, `850ms`, `1m 17s` (prime-rl since 0.6 prints
    durations so). Dates, clock times, versions and addresses are no quantities.
    """
    text = text[:1000].strip()
    human = _HUMAN.match(text)
    if human is not None and human[0]:
        days, hours, minutes, seconds = human.groups()
        whole = int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60
        return Quantity(whole + float(seconds or 0), "s", text[human.end() :].strip())
    found = _NUMBER.match(text)
    if found is None:
        found = _VALUE.match(text)
        value = number(found[0]) if found is not None else None
        return Quantity(value, None, text[found.end() :].strip()) if found is not None and value is not None else None
    rest = text[found.end() :]
    if found.end() > _LONGEST_NUMBER or (rest[:1] in (":", "-", ".", ",") and rest[1:2].isdigit()):
        return None
    of = _OF.match(rest)
    if of is None or len(of[1]) > _LONGEST_NUMBER:
        return _with_unit(found[0], rest, None)
    return _with_unit(found[0], rest[of.end() :], _plain(of[1]))


def _with_unit(printed: str, rest: str, of: float | int | None) -> Quantity:
    glued = not rest.startswith(" ")
    rest = rest.lstrip()
    if rest.startswith("%"):
        return Quantity(_plain(printed), "percent", rest[1:].strip(), of)
    power = 0
    if glued and rest[:1] in _POWERS and not rest[1:2].isalnum():
        power, rest = _POWERS[rest[0]], rest[1:].lstrip()
    word = _UNIT.match(rest)
    if word is None:
        return Quantity(_plain(printed, power), None, rest.strip(), of)
    unit = word[0].rstrip("/")
    rest = rest[len(unit) :].strip()
    if unit in _POWERS_OF_SECOND:
        return Quantity(_plain(printed, power + _POWERS_OF_SECOND[unit]), "s", rest, of)
    if unit in _SECONDS or (glued and unit in _SHORT):
        return Quantity(_plain(printed, power) * (_SECONDS.get(unit) or _SHORT[unit]), "s", rest, of)
    return Quantity(_plain(printed, power), unit, rest, of)


def duration(text: str) -> float | None:
    """Seconds of `61.02s`, `18.02 seconds`, `1m 17s`, `1h 2m`, `850ms`, `00:01:11.836`, `5:36:16`, `1 day, 3:04:05` or
    a bare number (seconds). None where it is none of these, negative or not finite."""
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        days, hours, minutes, seconds = clock.groups()
        return int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    read = quantity(text)
    if read is None or read.unit not in (None, "s") or not 0 <= read.value < math.inf:
        return None
    return float(read.value)


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
        read = _VALUE.match(part, begin)
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


_TOKEN = re.compile(
    r"\s*(?:(?P<open>[{\[(])|(?P<close>[}\])])|(?P<mark>[,:])"
    r"|(?P<prefix>[rbfuRBFU]{0,2})(?P<text>'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
    r"|(?P<word>[^\s,:{}\[\]()'\"]+)|)",  # the empty way out keeps a failure from trying every length of the space
    re.DOTALL,
)
_CONSTANTS = {"None": None, "null": None, "true": 1, "false": 0}
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_ESCAPE = re.compile(
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
