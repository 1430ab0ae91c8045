"""A trace file as spans of lanes: what a rank, or a worker of Ray, was doing when.

Facts: torch's profiler (Kineto) writes `distributedInfo.rank`, times in microseconds since `baseTimeNanoseconds` (torch
2.4 on; before that since the epoch), and what the program marks as `user_annotation`; verl keeps a file a rank and
phase in a folder named by the phase. Ray's timeline is an array of complete events in microseconds since the epoch; its
workers are threads (`worker:ID`) of nodes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.traces.events import Event, Events

#: Spans kept of a file, the longest ones; files of a directory; text that is read of all of them (characters).
MOST, FILES, TOTAL = 50_000, 10_000, 8 << 30
#: Spans that may be open in a thread.
_NESTED = 1000
#: Spans inside spans inside spans are not told apart.
_DEPTH = 2
_RANK = re.compile(r"rank[_\-.]?(\d{1,6})", re.IGNORECASE)
_NUMBERED = re.compile(r"[#:]\s*\d+$|(?<=\w)\s*\d+$")
#: Unix times that a clock may show: 2001 to 2096.
_CLOCK = (1e9, 4e9)
_BESIDE = frozenset({"nccl", "python", "trace", "traces", "profile", "profiler", "prof", "torch_profile", ""})


#: start, end, name, process, thread
Told: TypeAlias = tuple[float, float, str, Any, Any]


class TraceSpan(Struct, array_like=True):
    """Seconds since the epoch where the trace has a clock, else since some moment."""

    lane: str
    name: str
    start: float
    end: float


class Trace(Struct):
    """A file's spans. kind: who wrote it. rank: of the process that it tells of, where it is one. role: the phase by
    which its folder is named. dated: times are of the clock. cut: why not all of it was read."""

    file: str
    kind: Literal["torch", "ray", "chrome"]
    rank: int | None
    role: str
    spans: list[TraceSpan]
    events: int
    dated: bool
    cut: str = ""


def read_traces(paths: Sequence[Path]) -> list[Trace]:
    """The traces of files, and of those in directories; once TOTAL was read, the rest is left out. Raises UserError."""
    found: list[Trace] = []
    left = TOTAL
    for file, named in [one for path in paths for one in _files(path)]:
        if left <= 0:
            found.append(Trace(named, "chrome", None, "", [], 0, False, f"{TOTAL >> 30} GiB were read before it"))
            continue
        events = Events(file)
        found.append(_read(events, named))
        left -= events.read
    return found


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Files with the names that they are told by. A directory's front ends of engines, which carry no rank, are left
    out, as RL-Insight does."""
    if not path.exists():
        raise UserError(f"{path}: no such file or directory", "give trace files (*.json, *.json.gz), or a directory")
    if not path.is_dir():
        yield path, path.name
        return
    found = sorted(p for p in path.rglob("*") if p.name.endswith((".json", ".json.gz")) and "async_llm" not in p.name)
    if not found:
        raise UserError(f"{path} holds no trace (*.json, *.json.gz)", "name the files")
    for file in found[:FILES]:
        yield file, file.relative_to(path).as_posix()


class _Spans:
    """What is kept of a file's events. marked: only what the program marked, not each operator and kernel."""

    def __init__(self, marked: bool) -> None:
        self.marked = marked
        self.first, self.last = math.inf, -math.inf
        self.ray = False
        self.names: dict[tuple[str, Any, Any], str] = {}
        self._kept: list[Told] = []
        self._begun: dict[tuple[Any, Any], list[tuple[float, Any]]] = {}

    def add(self, event: Event) -> None:
        phase = event.ph
        start = _number(event.ts)
        if phase == "X" and start is not None:
            self._keep(start, start + (_number(event.dur) or 0.0), event.name, event)
        elif phase == "M":
            self._name(event)
        elif start is not None and phase in ("B", "E"):
            begun = self._begun.setdefault((_key(event.pid), _key(event.tid)), [])
            if phase == "E" and begun:
                at, name = begun.pop()
                self._keep(at, start, name, event)
            elif phase == "B" and len(begun) < _NESTED and len(self._begun) < MOST:
                begun.append((start, event.name))

    def _keep(self, start: float, end: float, name: Any, event: Event) -> None:
        if not -math.inf < start <= end < math.inf:
            return
        if start < self.first:
            self.first = start
        if end > self.last:
            self.last = end
        if self.marked and event.cat != "user_annotation":
            return
        self.ray = self.ray or str(event.tid).startswith("worker:")
        self._kept.append((start, end, str(name or "")[:200], _key(event.pid), _key(event.tid)))
        if len(self._kept) > 2 * MOST:
            self._kept = self.longest()

    def longest(self) -> list[Told]:
        """MOST of them."""
        return sorted(self._kept, key=lambda span: span[0] - span[1])[:MOST]

    def _name(self, event: Event) -> None:
        """Remember what a process or a thread is called."""
        if event.name in ("process_name", "thread_name") and event.args is not None and len(self.names) < MOST:
            tid = _key(event.tid) if event.name == "thread_name" else None
            self.names[event.name, _key(event.pid), tid] = str(event.args.name or "")[:80]


def _read(events: Events, named: str) -> Trace:
    spans, count, torch = _Spans(False), 0, False
    for event in events:
        if not count:
            torch = bool({"distributedInfo", "schemaVersion"} & events.about.keys()) or "pt.trace" in events.path.name
            spans.marked = torch
        count += 1
        spans.add(event)
    about = events.about
    base = (_number(about.get("baseTimeNanoseconds")) or 0.0) / 1e9
    dated = _CLOCK[0] < base + spans.first / 1e6 < _CLOCK[1]
    rank = _rank(about, events.path)
    folder = events.path.parent.name
    role = folder if folder.lower() not in _BESIDE else "profiled"
    kind: Literal["torch", "ray", "chrome"] = "torch" if torch else "ray" if spans.ray else "chrome"
    told: list[TraceSpan] = []
    own = (f"rank {rank}" if rank is not None else named[:60]) if torch else None
    if own is not None and spans.last > spans.first:
        told.append(TraceSpan(own, role, base + spans.first / 1e6, base + spans.last / 1e6))
    for start, end, name, pid, tid in outermost(spans.longest()):
        if spans.ray and name.startswith("task:") and not name.startswith("task::"):
            continue  # what Ray does around a task's own code
        lane = own if own is not None else _lane(pid, tid, spans.names)
        told.append(TraceSpan(lane, plain_name(name), base + start / 1e6, base + end / 1e6))
    return Trace(named, kind, rank, role, told, count, dated, events.cut)


def outermost(kept: Sequence[Told]) -> list[Told]:
    """Those that lie in at most one other of their thread."""
    found: list[Told] = []
    around: dict[tuple[Any, Any], list[float]] = {}
    for span in sorted(kept, key=lambda span: (span[0], -span[1])):
        thread = span[3], span[4]
        ends = [end for end in around.get(thread, ()) if end > span[0]]
        if sum(end >= span[1] for end in ends) < _DEPTH:
            found.append(span)
        around[thread] = [*ends, span[1]]
    return found


def plain_name(name: str) -> str:
    """What many spans have in common: without the count at the end, and without Ray's `task::`."""
    name = name.removeprefix("task::").removeprefix("ray::")
    return _NUMBERED.sub("", name).strip("# ")[:80] or "?"


def _number(value: Any) -> float | None:
    """A figure; torch_npu writes some as text."""
    if value.__class__ is float:
        return value
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _key(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)[:100]


def _rank(about: dict[str, Any], path: Path) -> int | None:
    info = about.get("distributedInfo")
    rank = info.get("rank") if isinstance(info, dict) else None
    if isinstance(rank, int) and rank >= 0:
        return rank
    found = _RANK.search(path.name)
    return int(found[1]) if found else None


def _lane(pid: Any, tid: Any, names: dict[tuple[str, Any, Any], str]) -> str:
    """Node and worker, process and thread, by their names where they have some."""
    process = names.get(("process_name", pid, None)) or str(pid)
    thread = names.get(("thread_name", pid, tid)) or str(tid)
    if thread.startswith("worker:"):
        thread = thread[: len("worker:") + 8]
    return f"{process} {thread}"[:60]
