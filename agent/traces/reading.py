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
from typing import Any, Literal

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.traces.events import Event, Events

#: Spans kept of a file, the longest ones; files of a directory.
MOST, FILES = 50_000, 512
#: Spans inside spans inside spans are not told apart.
_DEPTH = 2
_RANK = re.compile(r"rank[_\-.]?(\d{1,6})", re.IGNORECASE)
_NUMBERED = re.compile(r"[#:]\s*\d+$|(?<=\w)\s*\d+$")
#: Unix times that a clock may show: 2001 to 2096.
_CLOCK = (1e9, 4e9)
_BESIDE = frozenset({"nccl", "python", "trace", "traces", "profile", "profiler", "prof", "torch_profile", ""})


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
    """The traces of files, and of those in directories. Raises UserError."""
    return [read_trace(file, named) for path in paths for file, named in _files(path)]


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


def read_trace(path: Path, named: str | None = None) -> Trace:
    """One file. Raises UserError for what is no trace."""
    events = Events(path)
    kept: list[tuple[float, float, str, Any, Any]] = []
    begun: dict[tuple[Any, Any], list[tuple[float, str]]] = {}
    names: dict[tuple[str, Any, Any], str] = {}
    count = 0
    first, last, ray = math.inf, -math.inf, False
    for event in events:
        count += 1
        phase = event.ph
        if phase == "M":
            _name(event, names)
            continue
        start = _number(event.ts)
        if start is None or phase not in ("X", "B", "E"):
            continue
        pid, tid = _key(event.pid), _key(event.tid)
        name = str(event.name or "")[:200]
        if phase == "B":
            begun.setdefault((pid, tid), []).append((start, name))
            continue
        if phase == "E":
            open_ = begun.get((pid, tid))
            if not open_:
                continue
            (start, name), end = open_.pop(), start
        else:
            end = start + (_number(event.dur) or 0.0)
        if not (math.isfinite(start) and math.isfinite(end)) or end < start:
            continue
        first, last = min(first, start), max(last, end)
        ray = ray or (isinstance(tid, str) and tid.startswith("worker:"))
        if "distributedInfo" not in events.about or event.cat == "user_annotation":
            kept.append((start, end, name, pid, tid))
            if len(kept) > 2 * MOST:
                kept = sorted(kept, key=_shortness)[:MOST]
    longest = sorted(kept, key=_shortness)[:MOST]
    return _trace(path, named or path.name, events, longest, names, count, (first, last), ray)


def _trace(
    path: Path, named: str, events: Events, kept: list[tuple[float, float, str, Any, Any]],
    names: dict[tuple[str, Any, Any], str], count: int, extent: tuple[float, float], ray: bool,
) -> Trace:  # fmt: skip
    about = events.about
    torch = "distributedInfo" in about or "schemaVersion" in about or "pt.trace" in path.name
    base = (_number(about.get("baseTimeNanoseconds")) or 0.0) / 1e9
    dated = _CLOCK[0] < base + extent[0] / 1e6 < _CLOCK[1]
    rank = _rank(about, path)
    role = path.parent.name if path.parent.name.lower() not in _BESIDE else "profiled"
    spans: list[TraceSpan] = []
    if torch and extent[1] > extent[0]:
        lane = f"rank {rank}" if rank is not None else named[:60]
        spans.append(TraceSpan(lane, role, base + extent[0] / 1e6, base + extent[1] / 1e6))
        found = outermost(kept)
        spans += [TraceSpan(lane, plain_name(name), base + a / 1e6, base + b / 1e6) for a, b, name, _, _ in found]
    elif not torch:
        spans = [
            TraceSpan(_lane(pid, tid, names), plain_name(name), base + a / 1e6, base + b / 1e6)
            for a, b, name, pid, tid in outermost(kept)
            if not (ray and name.startswith("task:") and not name.startswith("task::"))
        ]
    kind: Literal["torch", "ray", "chrome"] = "torch" if torch else "ray" if ray else "chrome"
    return Trace(named, kind, rank, role, spans, count, dated, events.cut)


def outermost(kept: list[tuple[float, float, str, Any, Any]]) -> list[tuple[float, float, str, Any, Any]]:
    """Those that lie in at most one other of their thread."""
    found: list[tuple[float, float, str, Any, Any]] = []
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


def _shortness(span: tuple[float, float, str, Any, Any]) -> float:
    return span[0] - span[1]


def _number(value: Any) -> float | None:
    """A figure; torch_npu writes some as text."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _key(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)[:100]


def _name(event: Event, names: dict[tuple[str, Any, Any], str]) -> None:
    """Remember what a process or a thread is called."""
    if event.name in ("process_name", "thread_name") and event.args is not None and len(names) < MOST:
        tid = _key(event.tid) if event.name == "thread_name" else None
        names[event.name, _key(event.pid), tid] = str(event.args.name or "")[:80]


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
