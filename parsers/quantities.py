"""Numbers and what they count, in text: as Python, NumPy, torch, loguru and people print them.

Nothing is evaluated, nothing raises, and every function takes time linear in a bounded length of its input.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from rli_agent.parsers.lazy_patterns import lazy_pattern

_LONGEST_NUMBER = 200

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
_PLAIN = rf"[+-]?(?:{_DIGITS}|(?:[nN][aA][nN]|[iI][nN][fF](?:inity)?)(?![\w-]))"
_CALL = r"(?:(?:np|numpy)\.\w{1,20}|(?:torch\.)?tensor)\("
_NUMBER = lazy_pattern(_PLAIN, re.ASCII)
_WRAPPED = lazy_pattern(_CALL + r"\s{0,9}([^,()\s]+)\s{0,9}(?:,[^()]*)?\)", re.ASCII)
#: A number in any spelling.
VALUE = lazy_pattern(rf"{_CALL}[^()]{{0,200}}\)|{_PLAIN}|(?:True|False)\b", re.ASCII)
_WORDS = {"True": 1, "False": 0, "np.True_": 1, "np.False_": 0}
_OF = lazy_pattern(rf" ?/ ?({_PLAIN})", re.ASCII)

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
_HUMAN = lazy_pattern(
    r"(?:(\d{1,6})d ?)?(?:(\d{1,6})h ?)?(?:(\d{1,6})m ?)?(?:(\d{1,12}(?:\.\d{1,12})?)s)?(?![\w/])", re.ASCII
)
_CLOCK = lazy_pattern(r"(?:(\d{1,6}) days?, )?(?:(\d{1,6}):)?(\d{1,2}):(\d{2}(?:\.\d{1,12})?)", re.ASCII)
_UNIT = lazy_pattern(r"[A-Za-zµμ][\wµμ/]*", re.ASCII)


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
        found = VALUE.match(text)
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
