"""What stands before a line's message: time stamp, level word, logger or code position.

`read_header` is given one line without colours and without the wrappers of torchrun, Ray, SLURM or CRI. It never
raises, and takes a level word for one only in the grammars listed at the patterns: "Error in …" is a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from rli_agent.parsers.lazy_patterns import lazy_pattern


class Stamp(Struct, frozen=True):
    """A time as the text gives it; what it leaves out is None (`timestamps.Clock` fills it in).

    seconds: of the day, on the clock of the zone `offset`. offset: seconds east of UTC, None where the text names no
    zone. epoch: Unix seconds, where the text gives those.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    seconds: float | None = None
    offset: float | None = None
    epoch: float | None = None

    @property
    def has_year(self) -> bool:
        """Whether the text leaves no doubt of the year."""
        return self.year is not None or self.epoch is not None


class Header(Struct, frozen=True):
    """level: DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL. message: `text[start:]`."""

    level: str | None
    stamp: Stamp | None
    message: str
    start: int


#: Level, stamp, and where what follows them starts.
_Found: TypeAlias = "tuple[str | None, Stamp | None, int]"

_LEVELS = {
    "TRACE": "DEBUG", "DEBUG": "DEBUG", "INFO": "INFO", "SUCCESS": "SUCCESS", "WARN": "WARNING", "WARNING": "WARNING",
    "ERROR": "ERROR", "CRITICAL": "CRITICAL", "FATAL": "CRITICAL",
    "D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL", "C": "CRITICAL",
}  # fmt: skip
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip

_LEVEL = r"(?:TRACE|DEBUG|INFO|SUCCESS|WARNING|WARN|ERROR|CRITICAL|FATAL)"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):([0-5]\d):((?:[0-5]\d|60)(?:[.,]\d{1,9})?)"
_DATE = rf"([12]\d{{3}})-({_MONTH})-({_DAY})[ T]{_TIME}(Z|\ ?[+-]\d\d:?\d\d)?"


def _pattern(text: str) -> re.Pattern[str]:
    return lazy_pattern(text, re.ASCII | re.VERBOSE)


_date = lazy_pattern(_DATE, re.ASCII)
# prime-rl's loguru format `HH:MM:SS   LEVEL message`; also `HH:MM:SS | LEVEL | message`
_clock = _pattern(rf"{_TIME}[ ](?:\|[ ])?[ ]*({_LEVEL})(?:[ ]*[ ]\|)?(?:[ ]|$)")
# AReaL: `20260520-13:06:54.247 StatsLogger INFO: message`; realhf's names had spaces (`master worker`)
_areal = _pattern(
    rf"([12]\d{{3}})({_MONTH})({_DAY})-{_TIME}[ ](?:\[[^]]*\]|\S+(?:[ ]\S+){{0,4}}?)[ ]({_LEVEL}):(?:[ ]|$)"
)
# What may stand between a bare date and the message. The only group of each branch is the level.
_after_date = _pattern(rf"""
    [ ]\|[ ]({_LEVEL})[ ]*\|[ ](?:[^\s:]+:[^\s:]+:\d+[ ]-[ ])?                    # loguru's default
  | [ ]-[ ](?:\S+[ ]-[ ]){{0,3}}?({_LEVEL})[ ]-[ ](?:(?:__\w+__|\w+(?:\.\w+)+)[ ]-[ ])?   # logging, names by dashes
  | [ ]+(?P<rust>{_LEVEL})[ ](?=\w+(?:::\w+)+:[ ]|\w+\{{|\w+:[ ]\S+\.rs:\d+:[ ])   # Rust tracing: target, spans
    (?:(?:\w+\{{[^{{}}]*\}}:)+[ ])?(?:\w+(?:::\w+)*:[ ](?:\S+\.rs:\d+:[ ])?)?
  | [ \t]+\[?({_LEVEL})(?=[\s\]]|:\s|$)(?![ ]\d\d-\d\d[ ])\]?:?[ \t]*             # Ray, Ascend, log4j and others
    (?:\[[^\s\]]+:\d+\](?:[ ]=>)?[ ]|\S+:\d+[ ]--[ ]|[^\s:]+\.\w+:\d+:[ ])?
  | :[ ]([IWEFD])[ ]\S+:\d+\](?:[ ]|$)                                             # TensorFlow, XLA
""")
_bracketed = _pattern(rf"\[{_DATE}([^\[\]]{{0,80}})\]")
# What may stand between `[date]` and the message
_after_bracket = _pattern(rf"""
    [ ](?:\[\d+\][ ])?\[({_LEVEL})\](?:[ ]|$)(?:\[[^\s\]]+:\d+(?::[^\s\]]*)?\](?:[ ]|$))?    # DeepSpeed, gunicorn
  | \[[^]]*\]\[({_LEVEL})\][ ]-(?:[ ]|$)                                           # Hydra
  | [ ][\w.]+:[ ]\[({_LEVEL})\](?:[ ]|$)                                           # torch.distributed 2.1 and 2.2
  | [ ]({_LEVEL})[ ][^\s:]+:\d+:(?:[ ]|$)                                          # huggingface_hub
""")
_ray_position = _pattern(r"[ ](?:\([\w.-]+\)[ ])?(?:[^\s:]+:\d+:(?:[ ]|$))?")
_slime_position = _pattern(r"(?:[\w./-]+\.py:\d+[ ]-[ ])?")
# glog and c10d: MMDD without year, the leading zero dropped by c10d; absl before its initialisation: Unix seconds.
# torch.compile names its frame, or its artifact, before every line: `[0/1] `, `[__graph] `
_glog = _pattern(rf"""
    \[?([IWEFD])(?:0000[ ]00:00:(\d{{9,10}}\.\d+)|(1[0-2]|0?[1-9])({_DAY})[ ]{_TIME})
    [ ]+(?:\d+[ ]+)?[^\s\]]+:\d+\](?:[ ](?:\[(?:!?\d+/\d+(?:_\d+)?|__\w+)\][ ]){{0,3}}|$)
""")
_c10d_old = _pattern(r"\[([IWEF])[ ][^\s\]]+:\d+\](?:[ ]|$)")
# `[Rank 0 | Local Rank 0] ` (Ascend), `[Router (Rust)] ` (sglang-router 0.0) before a bare date
_writer = _pattern(r"\[[A-Z][^\[\]]{0,60}\][ ](?=[12]\d{3}-)")
_transformers = _pattern(rf"\[({_LEVEL})\|[^\s\]]+:\d+\][ ]{_DATE}[ ]>>(?:[ ]|$)")
_dmesg = _pattern(  # `dmesg -T`: `[Thu May 15 23:09:27 2025] message`
    rf"\[[A-Z][a-z][a-z][ ]([A-Z][a-z][a-z])[ ]{{1,2}}(3[01]|[12]\d|0?[1-9])[ ]{_TIME}[ ]([12]\d{{3}})\](?:[ ]|$)"
)
_syslog = _pattern(rf"(?:([A-Z][a-z][a-z])[ ]{{1,2}}(3[01]|[12]\d|0?[1-9])[ ])?{_TIME}")
_journal = _pattern(rf"""
    ([A-Z][a-z][a-z])[ ]{{1,2}}(3[01]|[12]\d|0?[1-9])[ ]{_TIME}[ ]\S+[ ][^\s:\[]+(?:\[\d+\])?:(?:[ ]|$)
    (?:\[[ ]*\d+\.\d+\][ ])?                                                       # the kernel's uptime
""")
_word = _pattern(rf"({_LEVEL})([: ])")
# vLLM: `INFO 03-25 11:39:13 [file.py:43] message`, before 0.8 `INFO 01-07 09:14:02 metrics.py:467] message`
_vllm = _pattern(rf"(?:([12]\d{{3}})-)?({_MONTH})-({_DAY})[ ]{_TIME}(?:[ ]|$)(?:\[?[^\s\[\]]+:\d+\](?:[ ]|$))?")
# vLLM's VLLM_LOGGING_PREFIX: whatever one puts there, a word at most, so that no quoted line is taken for one
_prefixed = _pattern(rf"""
    [^\s'"]{{1,40}}?[ ]?({_LEVEL})[ ](?=(?:[12]\d{{3}}-)?{_MONTH}-{_DAY}[ ]\d\d:\d\d:\d\d[ ]
    \[?[^\s\[\]]+:\d+\](?:[ ]|$))
""")
# the name in logging's `LEVEL:name:message`; a plain word counts only where no value follows it (`LEVEL:step:5`)
_logger = _pattern(r"(?:root|__\w+__|[A-Za-z_]\w*(?:[./]\w+)+|[A-Za-z_][\w-]*(?=:[^\s\d:/])):(?!/)")
_wandb = _pattern(rf"wandb:[ ]({_LEVEL})(?:[ ]|$)")


def read_header(text: str) -> Header:
    """Split a line into its header and its message. A line without a header is all message.

    Of two headers, one in the other (`[2024-07-08 15:17:34] INFO 07-08 07:17:34 x.py:1] message`), both are taken off:
    the level is the inner one's, the stamp the outer one's unless the inner one tells more of the date.
    """
    read = _READERS.get(text[:1])
    found = read(text, 0) if read is not None else None
    if found is None and (word := _prefixed.match(text)) is not None:
        found = _from_level(text, word.end(), _LEVELS[word[1]], " ")
    if found is None:
        return Header(None, None, text, 0)
    level, stamp, start = found
    if level is None:
        read = _READERS.get(text[start : start + 1])
        inner = read(text, start) if read is not None else None
        if inner is not None:
            level, within, start = inner
            stamp = fuller(stamp, within)
    return Header(level, stamp, text[start:], start)


def begins_header(character: str) -> bool:
    """Whether a header may begin with it."""
    return character in _READERS


def read_stamp(text: str) -> Stamp | None:
    """A stamp that stands alone, as in a record's `timestamp` field: ISO 8601 with or without zone, vLLM's `MM-DD
    HH:MM:SS`, syslog's `Mmm DD HH:MM:SS`, `HH:MM:SS`."""
    found = _date.fullmatch(text) or _vllm.fullmatch(text)
    if found is not None:
        return _dated(*found.groups())
    found = _syslog.fullmatch(text)
    if found is None:
        return None
    month = _MONTHS.get(found[1])
    return Stamp(None, month, int(found[2]) if month else None, _of_day(found[3], found[4], found[5]))


def fuller(first: Stamp | None, other: Stamp | None) -> Stamp | None:
    """That of two stamps of a line which says more of its date; the first one, where both say as much."""
    if first is None or other is None:
        return first or other
    return first if (first.has_year, first.month is not None) >= (other.has_year, other.month is not None) else other


def _of_day(hour: str, minute: str, second: str) -> float:
    return int(hour) * 3600 + int(minute) * 60 + float(second.replace(",", "."))


def _dated(
    year: str | None, month: str, day: str, hour: str, minute: str, second: str, zone: str | None = None
) -> Stamp:
    seconds = _of_day(hour, minute, second)
    offset = None if zone is None else _offset(zone)
    return Stamp(None if year is None else int(year), int(month), int(day), seconds, offset)


def _offset(zone: str) -> float:
    if zone == "Z":
        return 0.0
    digits = zone.lstrip(" +-").replace(":", "")
    seconds = int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0
    return -seconds if "-" in zone else seconds


def _from_digit(text: str, at: int) -> _Found | None:
    mark = text[at + 2 : at + 3]
    if mark == ":":
        found = _clock.match(text, at)
        if found is None:
            return None
        return _LEVELS[found[4]], Stamp(seconds=_of_day(found[1], found[2], found[3])), found.end()
    if text[at + 4 : at + 5] == "-":
        return _from_date(text, at)
    if text[at + 8 : at + 9] == "-":
        found = _areal.match(text, at)
        if found is not None:
            *date, level = found.groups()
            return _LEVELS[level], _dated(*date), found.end()
    return None


def _from_date(text: str, at: int) -> _Found | None:
    found = _date.match(text, at)
    if found is None:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    end = found.end()
    tail = _after_date.match(text, end)
    if tail is None:
        if end < len(text) and text[end] not in " \t":
            return None
        return None, _dated(year, month, day, hour, minute, second, zone), min(end + 1, len(text))
    if zone is None and tail.lastgroup == "rust":
        zone = "Z"  # vllm-router 0.1, sglang-router 0.3: UTC, whatever TZ says
    level = _LEVELS[tail[tail.lastindex or 0]]
    return level, _dated(year, month, day, hour, minute, second, zone), tail.end()


def _from_bracket(text: str, at: int) -> _Found | None:
    mark = text[at + 1 : at + 2]
    if mark == "1" or mark == "2":
        return _from_bracketed_date(text, at)
    if not mark.isupper():
        return None
    if mark == "A" and text.startswith("[AReaL] ", at):  # for a time in early 2026
        return _from_digit(text, at + 8)
    if mark in "IWEFD":
        found = _glog.match(text, at)
        if found is not None:
            return _of_glog(found)
        found = _c10d_old.match(text, at)
        if found is not None:
            return _LEVELS[found[1]], None, found.end()
    found = _writer.match(text, at)
    if found is not None:
        if (line := _transformers.match(text, at)) is not None:
            return _LEVELS[line[1]], _dated(*line.groups()[1:]), line.end()
        return _from_date(text, found.end())
    found = _dmesg.match(text, at)
    if found is not None and (month := _MONTHS.get(found[1])):
        stamp = Stamp(int(found[6]), month, int(found[2]), _of_day(found[3], found[4], found[5]))
        return None, stamp, found.end()
    return None


def _from_bracketed_date(text: str, at: int) -> _Found | None:
    found = _bracketed.match(text, at)
    if found is None:
        return None
    year, month, day, hour, minute, second, zone, more = found.groups()
    stamp = _dated(year, month, day, hour, minute, second, zone)
    end = found.end()
    if more[:1] == " " and more[2:3] == " " and more[1] in "DIWECF":  # Ray's C++ processes: ` E 1111013 1111013`
        position = _ray_position.match(text, end)
        return _LEVELS[more[1]], stamp, position.end() if position else end
    tail = _after_bracket.match(text, end)
    if tail is not None:
        return _LEVELS[tail[tail.lastindex or 0]], stamp, tail.end()
    if text.startswith(" ", end):
        end += 1
    position = _slime_position.match(text, end)
    return None, stamp, position.end() if position else end


def _of_glog(found: re.Match[str]) -> _Found:
    letter, epoch, month, day, hour, minute, second = found.groups()
    if epoch is not None:
        return _LEVELS[letter], Stamp(epoch=float(epoch)), found.end()
    return _LEVELS[letter], _dated(None, month, day, hour, minute, second), found.end()


def _from_letter(text: str, at: int) -> _Found | None:
    found = _word.match(text, at)
    if found is not None:
        return _from_level(text, found.end(), _LEVELS[found[1]], found[2])
    if text[at + 1 : at + 2].isdigit():
        found = _glog.match(text, at)
        return _of_glog(found) if found is not None else None
    month = _MONTHS.get(text[at : at + 3])
    if month is not None:
        found = _journal.match(text, at)
        if found is not None:
            stamp = Stamp(month=month, day=int(found[2]), seconds=_of_day(found[3], found[4], found[5]))
            return None, stamp, found.end()
    return None


def _from_level(text: str, at: int, level: str, mark: str) -> _Found | None:
    if mark == " ":
        found = _vllm.match(text, at)
        return (level, _dated(*found.groups()), found.end()) if found is not None else None
    follows = text[at : at + 1]
    if follows == " ":  # uvicorn pads to the longest level
        return level, None, len(text) - len(text[at:].lstrip(" "))
    if follows == "1" or follows == "2":
        found = _date.match(text, at)
        if found is not None and text[found.end() : found.end() + 1] in ("", ":", " "):  # verl's `LEVEL:asctime:`
            return level, _dated(*found.groups()), min(found.end() + 1, len(text))
        return level, None, at
    found = _logger.match(text, at)
    return level, None, found.end() if found is not None else at


def _from_wandb(text: str, at: int) -> _Found | None:
    found = _wandb.match(text, at)
    return (_LEVELS[found[1]], None, found.end()) if found is not None else None


def _from_areal(text: str, at: int) -> _Found | None:
    return _from_digit(text, at + 8) if text.startswith("(AReaL) ", at) else None


_READERS: dict[str, Callable[[str, int], _Found | None]] = {
    **dict.fromkeys("012", _from_digit),
    **dict.fromkeys("IWEFDTSCJMAON", _from_letter),  # levels, glog letters, months
    "[": _from_bracket,
    "w": _from_wandb,
    "(": _from_areal,
}
