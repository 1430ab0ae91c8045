"""`rli-agent parse`: files to printed events, without a store. The dry run for people who write rules."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, BinaryIO

from rli_agent.discover import UNREADABLE, Discovery, Found, Scan
from rli_agent.discover.runs import RunFinder
from rli_agent.errors import UserError
from rli_agent.events import METRIC_FILES, Event, RunFact, Source
from rli_agent.life.wording import spoken
from rli_agent.overlap import Overlap, Sifted, without_states
from rli_agent.parsers.settling import settle_events
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.printing import printed
from rli_agent.rulebook import Rulebook
from rli_agent.terminal import many
from rli_agent.track import Track

_BLOCK = 1 << 20
#: Files of which it is told why they tell nothing.
_SHOWN = 5


def parse_paths(
    paths: Sequence[Path], book: Rulebook, zone: tzinfo, framework: str | None = None
) -> Iterator[dict[str, Any]]:
    """All events of the files under these paths, as objects to print. Raises UserError where there is nothing.

    Each file's figures are printed, also those that another has told; the states that follow from them are not.
    """
    refuse_missing(paths)
    scan = discover(paths, book, framework)
    yield from printed([_framework(scan)] if scan.run.framework else [])
    root = scan.run.root
    for fact in scan.facts:
        file = os.path.relpath(fact.file, root)
        yield from printed([RunFact(file, fact.line or 1, 0, None, "estimated", fact.key, str(fact.value))])
    for _, sifted in files_read(scan, book, zone):
        yield from printed([*sifted.new, *(without_states(samples) for samples in sifted.again)])


def files_read(scan: Scan, book: Rulebook, zone: tzinfo) -> Iterator[tuple[Found, Sifted]]:
    """Each file with its events; the console's come before what metric files repeat of them."""
    files, overlap = run_files(scan), Overlap()
    for found in sorted(scan.found, key=lambda f: f.source.reader in METRIC_FILES):
        yield found, overlap.sift(events_of(found, book, files, zone), found.source)


def discover(paths: Sequence[Path], book: Rulebook, framework: str | None) -> Scan:
    """What the paths hold. Raises UserError for a framework that no pack knows."""
    try:
        return Discovery(paths, book.packs, framework).scan()
    except ValueError as e:
        raise UserError(str(e), "`rli-agent rules list` shows the packs") from None


def refuse_missing(paths: Sequence[Path], files: str = "log files") -> None:
    """Raise UserError where one of the paths is not there. `files`: what may be given instead of a directory."""
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or directory", f"give a run's output directory, or {files}")


def refuse_several(paths: Sequence[Path], book: Rulebook) -> None:
    """Raise UserError where the paths are one directory of several runs: read as one they would tell of none."""
    places = RunFinder(paths[0], book.packs).find() if len(paths) == 1 and paths[0].is_dir() else []
    if len(places) > 1:
        raise UserError(f"{paths[0]} holds {many(len(places), 'run')}", "name one run's directory")


def locked(scan: Scan) -> list[str]:
    """The files that may not be read, and why, a sentence a file."""
    return [f"{path.name} {why}" for path, why in scan.skipped if why.startswith(UNREADABLE)]


def why_nothing(scan: Scan) -> list[str]:
    """Why files tell of no run, a sentence a file; at least one."""
    told = [f"{found.source.file}: {_tells_nothing(found.path)}" for found in scan.found[:_SHOWN]]
    told += [f"{path.name} is skipped: {why}" for path, why in scan.skipped[:_SHOWN]]
    return told or [f"{scan.run.root} holds no log file (*.log, *.out, *.txt, *.jsonl)"]


def _tells_nothing(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "it is gone"
    if not found.st_size:
        return "nothing in it yet"
    ago = spoken(time.time() - found.st_mtime)
    return (
        f"no line tells of a step, a state or a problem; last written {ago} ago "
        "(`rli-agent rules explain` shows what is read)"
    )


def run_files(scan: Scan) -> list[str]:
    """The names of all files of a run, relative to it: what conditions of rules look at."""
    others = [*scan.configs, *(path for path, _ in scan.skipped)]
    return [f.source.file for f in scan.found] + [os.path.relpath(p, scan.run.root) for p in others]


def _framework(scan: Scan) -> Event:
    run = scan.run
    return RunFact(".", 0, 0, None, "estimated", "framework", run.framework or "", run.confidence)


def events_of(found: Found, book: Rulebook, files: Sequence[str], zone: tzinfo) -> list[Event]:
    """All events of a file that nobody writes any more, their times settled."""
    track = Track(found, book, files, zone)
    events: list[Event] = []
    try:
        while True:
            taken = track.take(16 << 20, time.time(), last=True)
            events += taken.events
            if taken.ended:
                break
        settle_events(events, taken.shift, track.reader.mtime)
    finally:
        track.close()
    return events


def parse_stream(
    stream: BinaryIO, book: Rulebook, zone: tzinfo, framework: str | None = None
) -> Iterator[dict[str, Any]]:
    """Events of text that comes down a pipe. Lines without a time are stamped when they are read."""
    others = ("framework", "generic")
    names = [p.pack for p in book.packs.values() if p.kind not in others or framework in (None, p.pack)]
    source = Source("-", "unknown", packs=tuple(names))
    return printed(_streamed(stream, SourceParser(source, book.rules_for(source), zone, time.time())))


def _streamed(stream: BinaryIO, parser: SourceParser) -> Iterator[Event]:
    offset, line, rest = 0, 1, b""
    while block := stream.read1(_BLOCK):  # type: ignore[attr-defined]
        whole, newline, rest = (rest + block).rpartition(b"\n")
        data = whole + newline
        yield from parser.feed(data, offset, line, time.time())
        offset, line = offset + len(data), line + data.count(b"\n")
    if rest:
        yield from parser.feed(rest, offset, line, time.time())
    yield from parser.flush()
