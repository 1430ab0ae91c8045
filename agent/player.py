"""Plays a sample run: writes its files again as the run did, line after line, so that it looks live.

A line's place in time is what it says itself: a stamp, the `time` or the last `end` of a record. Lines that say nothing
lie evenly between those that do; a record with nothing but a step goes with the console's `step:N` line. Of files in
which no line says anything, and of those that are written at once, times.json tells it. A sample's stamps are UTC, and
its whole run lies within one day.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import NamedTuple

from rli_agent.errors import UserError

#: The stamps of samples: how one is found at the beginning of a line, and how it is written.
_STAMPS = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"), "%Y-%m-%d %H:%M:%S,%3f"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"), "%Y-%m-%d %H:%M:%S.%3f"),
    (re.compile(r"\d{8}-\d\d:\d\d:\d\d\.\d{3}"), "%Y%m%d-%H:%M:%S.%3f"),
    (re.compile(r"(?<=\bW)\d{4} \d\d:\d\d:\d\d\.\d{6}"), "%m%d %H:%M:%S.%f"),
    (re.compile(r"(?<!\d)\d\d-\d\d \d\d:\d\d:\d\d"), "%m-%d %H:%M:%S"),
    (re.compile(r"(?<![\d:])\d\d:\d\d:\d\d(?![\d:])"), "%H:%M:%S"),
)
#: How many of them have a full date.
_DATED = 3
#: Characters of a line within which its stamp begins.
_HEAD = 120
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_EPOCH = re.compile(r'(?<![\w."])1[5-9]\d{8}(?:\.\d+)?(?!\w)')
_END = re.compile(r'"end": ?(1[5-9]\d{8}(?:\.\d+)?)')
_STEP = re.compile(r"\bstep:(\d+) - ")
#: Of so many lines one is written in two halves, as a full buffer would.
_TORN = 7


class _Line(NamedTuple):
    """A line of the sample (with its newline), and when it was written: seconds since the run began."""

    time: float
    file: str
    text: str


class Playback:
    """A sample, ready to be played. `seconds`: from its first line to its last, at speed 1."""

    def __init__(self, sample: Path) -> None:
        names = sorted(p.relative_to(sample).as_posix() for p in sample.rglob("*") if p.is_file())
        texts = {name: (sample / name).read_bytes().decode() for name in names}
        self._links: dict[str, str] = json.loads(texts.pop("links.json", "{}"))
        times: dict[str, list[float]] = json.loads(texts.pop("times.json", "{}"))
        logs = [name for name, text in texts.items() if name.endswith((".log", ".jsonl")) and text]
        growing = {name: _LINE.findall(texts.pop(name)) for name in logs}
        growing |= {name: [texts.pop(name)] for name in times if name not in growing}
        self._whole = texts
        if not growing:
            raise UserError(f"{sample} holds no log that could be played")
        timed = _timed(growing, times)
        began = min(line.time for line in timed)
        self._lines = sorted((line._replace(time=line.time - began) for line in timed), key=lambda line: line.time)
        self._began = began
        self.seconds = self._lines[-1].time

    def play(self, target: Path, speed: float = 1.0, *, rewrite: bool = True, stop: Event | None = None) -> bool:
        """Write the run into `target`, `speed` times as fast as it was; whether it was played to its end.

        With `rewrite` all stamps tell the time of the replay, in this host's zone; the durations that lines print stay.
        Setting `stop` ends it at the next line.
        """
        stop = stop or Event()
        links = dict(self._links)
        for name, text in self._whole.items():
            _append(target, name, text.encode(), links)
        start = time.time()

        def replayed(moment: float) -> float:
            return start + (moment - self._began) / speed

        for due, name, data in self._writes(replayed if rewrite else None):
            if stop.wait(max(0.0, start + due / speed - time.time())):
                return False
            _append(target, name, data, links)
        return True

    def _writes(self, replayed: Callable[[float], float] | None) -> list[tuple[float, str, bytes]]:
        """What is written when (seconds since the beginning), to which file; some lines come in two halves."""
        following: dict[str, float] = {}
        writes: list[tuple[float, str, bytes]] = []
        for number, line in reversed(list(enumerate(self._lines))):
            text = line.text if replayed is None else _restamped(line, self._began, replayed)
            data = text.encode()
            pieces = [(line.time, data)]
            if number % _TORN == 0:
                later = (line.time + following.get(line.file, line.time + 0.2)) / 2
                pieces = [(line.time, data[: len(data) // 2]), (later, data[len(data) // 2 :])]
            writes += [(when, line.file, piece) for when, piece in reversed(pieces)]
            following[line.file] = line.time
        writes.reverse()
        return sorted(writes, key=lambda write: write[0])


def _append(target: Path, name: str, data: bytes, links: dict[str, str]) -> None:
    """Add to a file, making its directories and the links that belong into them."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        file.write(data)
    for link in [link for link in links if (target / link).parent.is_dir()]:
        (target / link).symlink_to(links.pop(link))


# -- when was a line written?


def _timed(files: dict[str, list[str]], times: dict[str, list[float]]) -> list[_Line]:
    """All lines, each file's in its order, none before the one before it. Times are Unix seconds; `times` are those of
    files that do not say them."""
    day = _day(files, times)
    said: dict[str, list[float | None]] = {
        name: list(times[name]) if name in times else [_said(name, text, day) for text in lines]
        for name, lines in files.items()
    }
    steps: dict[str, float] = {}
    spread: dict[str, list[float]] = {}
    for name, moments in said.items():
        if any(t is not None for t in moments):
            spread[name] = _spread(moments)
            for text, t in zip(files[name], spread[name], strict=True):
                if found := _STEP.search(text):
                    steps[found[1]] = t
    for name, lines in files.items():
        if name not in spread:
            spread[name] = _spread([steps.get(str(json.loads(text).get("step"))) for text in lines])
    return [_Line(t, name, text) for name, lines in files.items() for t, text in zip(spread[name], lines, strict=True)]


def _day(files: dict[str, list[str]], times: dict[str, list[float]]) -> datetime:
    """The day of the run: that of the first line with a full date or Unix time."""
    if times:
        return datetime.fromtimestamp(next(iter(times.values()))[0], timezone.utc)
    for name, lines in files.items():
        for text in lines:
            for pattern, form in _STAMPS[:_DATED]:
                if found := pattern.search(text[:_HEAD]):
                    return _read(found[0], form)
            if name.endswith(".jsonl") and (found := _EPOCH.search(text)):
                return datetime.fromtimestamp(float(found[0]), timezone.utc)
    raise UserError("the sample names no date")


def _said(name: str, text: str, day: datetime) -> float | None:
    """What the line itself says of when it was written, in Unix seconds."""
    if name.endswith(".jsonl"):
        record = json.loads(text)
        if isinstance(record.get("time"), float | int):
            return float(record["time"])
        return max((float(end) for end in _END.findall(text)), default=None)
    for pattern, form in _STAMPS:
        if found := pattern.search(text[:_HEAD]):
            moment = _read(found[0], form)
            return moment.replace(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
    return None


def _read(text: str, form: str) -> datetime:
    return datetime.strptime(text, form.replace("%3f", "%f"))


def _spread(times: list[float | None]) -> list[float]:
    """Times for all. Unknown ones lie evenly between their neighbours, those of one whole second evenly within it."""
    known: list[tuple[int, float]] = []
    for i, t in enumerate(times):
        if t is not None:
            known.append((i, max(t, known[-1][1]) if known else t))
    if not known:
        raise UserError("the sample has a file of which nothing tells when it was written")
    same = Counter(t for _, t in known)
    seen: Counter[float] = Counter()
    for n, (i, t) in enumerate(known):
        known[n] = (i, t + seen[t] / same[t] if t.is_integer() else t)
        seen[t] += 1
    known = [(-1, known[0][1]), *known, (len(times), known[-1][1] + 0.5)]
    return [
        a + (b - a) * (n - i) / (j - i) for (i, a), (j, b) in itertools.pairwise(known) for n in range(max(i, 0), j)
    ]


# -- what does it say when it is played?


def _restamped(line: _Line, began: float, replayed: Callable[[float], float]) -> str:
    """The line with stamps of the replay."""
    if line.file.endswith(".jsonl"):
        return _EPOCH.sub(lambda found: f"{replayed(float(found[0])):.6f}", line.text)
    now = datetime.fromtimestamp(replayed(began + line.time))
    for pattern, form in _STAMPS:
        if pattern.search(line.text[:_HEAD]):
            told = now.strftime(form.replace("%3f", f"{now.microsecond // 1000:03d}"))
            return pattern.sub(told, line.text, count=1)
    return line.text
