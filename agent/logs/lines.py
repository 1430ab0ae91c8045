"""A log file as lines with times: those of its own stamps, or what the store knows of lines that have none."""

from __future__ import annotations

import math
import os
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from rli_agent.events import Source
from rli_agent.parsers.headers import Stamp, read_header, read_stamp
from rli_agent.parsers.timestamps import Clock, ClockState
from rli_agent.parsers.wrappers import segments, unwrap

#: Bytes of a line that are looked at and shown; what lies behind them is passed over.
LONGEST = 1 << 16
_NAMED = {"WARN": "WARNING", "FATAL": "CRITICAL"}
#: Bytes in which a line's header stands.
_HEADER = 400
_JSON_STAMP = re.compile(r'"(?:timestamp|time|asctime|ts)"\s*:\s*"([^"]{8,40})"')
_JSON_LEVEL = re.compile(r'"(?:level|levelname|severity)"\s*:\s*"([A-Za-z]{4,8})"')


class LogLine(Struct, frozen=True):
    """A line. `time` in Unix seconds; `level` as its header says, or that of the lines that it goes on from."""

    time: float
    file: str
    line: int
    role: str
    rank: str | None
    level: str | None
    text: str


class LogFile:
    """One file. `known`: times that the store knows of lines, by their number, in order; `levels`: of lines that are
    part of a problem. begin: the number of the first line that counts, and the byte at which it begins."""

    def __init__(
        self, path: Path, source: Source, zone: tzinfo, known: Sequence[tuple[int, float]], levels: Mapping[int, str],
        begin: tuple[int, int] = (1, 0),
    ) -> None:  # fmt: skip
        self.path = path
        self.source = source
        self._zone = zone
        self._known = known
        self._levels = levels
        self._line, self._offset = begin

    def lines(self) -> Iterator[LogLine]:
        """All lines, in their order; none of a file that cannot be read."""
        try:
            times = self._times()
            with self.path.open("rb") as file:
                file.seek(self._offset)
                level = None
                for number, (time, raw) in enumerate(zip(times, raw_lines(file), strict=False), self._line):
                    rank, text = shown(raw)
                    told = level_of(text)
                    if told is not None or not text:
                        level = told
                    yield LogLine(
                        time, self.source.file, number, self.source.role, rank, self._levels.get(number, level), text
                    )  # fmt: skip
        except OSError:
            return

    def _times(self) -> array[float]:
        """Each line's time."""
        mtime = os.stat(self.path).st_mtime
        clock = Clock(ClockState(), self._zone, mtime)
        times: array[float] = array("d")
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for number, raw in enumerate(raw_lines(file), self._line):
                stamp = stamp_of(raw)
                times.append(clock.time_of(stamp, number) if stamp is not None else math.nan)
        shift = clock.settle(mtime)
        if shift is not None:
            for at, time in enumerate(times):
                if shift.before is not None and at + self._line >= shift.before:
                    break
                if not math.isnan(time):
                    times[at] = time + shift.by(time)
        self._fill(times, mtime)
        return times

    def _fill(self, times: array[float], mtime: float) -> None:
        """Lines without a stamp: the time of the line before, else of the next that has one; where none has, what the
        store knows of the next line."""
        last = next((time for time in times if not math.isnan(time)), None)
        if last is None:
            numbers = [number for number, _ in self._known]
            for at in range(len(times)):
                place = bisect_left(numbers, at + self._line)
                times[at] = self._known[place][1] if place < len(numbers) else mtime
            return
        for at, time in enumerate(times):
            if math.isnan(time):
                times[at] = last
            else:
                last = time


def shown(raw: bytes) -> tuple[str | None, str]:
    """The rank that wrote a line, and its text as a terminal would show it in the end."""
    last = (segments(raw) or [b""])[-1]
    unwrapped = unwrap(last)
    return unwrapped.origin.rank, unwrapped.text.decode("utf-8", "replace").rstrip()


def level_of(text: str) -> str | None:
    """The level that a line's header names."""
    level = read_header(text[:_HEADER]).level
    if level is None and text.startswith("{"):
        found = _JSON_LEVEL.search(text[:_HEADER])
        level = _NAMED.get(word := found[1].upper(), word) if found else None
    return "INFO" if level == "SUCCESS" else level


def levels_of_problems(rows: Iterable[tuple[int, str, str]]) -> dict[int, str]:
    """The levels of lines that are part of a problem, also where no header names one. rows: line, level and message of
    each problem."""
    return {line + more: level for line, level, message in rows for more in range(message.count("\n") + 1)}


def stamp_of(raw: bytes) -> Stamp | None:
    """The stamp in a line's header, or of what wraps the line."""
    unwrapped = unwrap((segments(raw) or [b""])[-1])
    text = unwrapped.text[:_HEADER].decode("utf-8", "replace")
    stamp = read_header(text).stamp
    if stamp is None and text.startswith("{"):
        found = _JSON_STAMP.search(text)
        stamp = read_stamp(found[1]) if found else None
    if stamp is None and unwrapped.stamp is not None:
        stamp = read_stamp(unwrapped.stamp.decode("ascii", "replace"))
    return stamp


def raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines without their newlines, each cut off at LONGEST."""
    while line := file.readline(LONGEST):
        whole = line.endswith(b"\n")
        yield line.rstrip(b"\n")
        while not whole and (rest := file.readline(LONGEST)):
            whole = rest.endswith(b"\n")
