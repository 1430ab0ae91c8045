"""What is read of the files that loggers of metrics write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rli_agent.discover import Discovery
from rli_agent.events import Samples
from rli_agent.parsing import parse_paths, run_files
from rli_agent.rulebook import Rulebook
from rli_agent.track import Track


def parsed(path: Path) -> list[dict[str, Any]]:
    return list(parse_paths([path], Rulebook(), dt.timezone.utc))


def figures(path: Path) -> dict[tuple[int | None, str], float]:
    return {(e.get("step"), e["name"]): e["value"] for e in parsed(path) if e["type"] == "metric"}


def followed(run: Path) -> Track:
    """The one file of a run, as a watch follows it."""
    book = Rulebook()
    scan = Discovery([run], book.packs).scan()
    (found,) = scan.found
    return Track(found, book, run_files(scan), dt.timezone.utc)


def in_pieces(run: Path, name: str, whole: bytes, sizes: Iterable[int]) -> list[tuple[int | None, list[float]]]:
    """What is told of a file of a run that is there up to each of these sizes, and in the end whole."""
    run.mkdir()
    path = run / name
    first, *others = sizes
    path.write_bytes(whole[:first])
    track = followed(run)
    found = told(track)
    for size in [*others, len(whole)]:
        path.write_bytes(whole[:size])
        found += told(track)
    track.close()
    return found


def told(track: Track) -> list[tuple[int | None, list[float]]]:
    events = [*track.take(1 << 20, 0.0).events, *track.flush()]
    return [(e.step, list(e.values)) for e in events if isinstance(e, Samples)]
