"""The forms in which a run can be had, by name."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from rli_agent.export.files import new_file
from rli_agent.export.openmetrics import write_openmetrics
from rli_agent.publish.naming import RunLabels

#: Form → what is appended to the run's name where no place is given.
SUFFIXES = {"openmetrics": ".om"}


class Target(Struct, frozen=True):
    """Where an export goes, and how. force: what is there is written over."""

    path: Path
    force: bool = False
    namespace: str = "rl_insight_monitor"


def to_openmetrics(store: Path, run: RunLabels, target: Target) -> list[str]:
    """What was written, a sentence a line."""
    with new_file(target.path, target.force) as path, path.open("w", encoding="utf-8") as out:
        done = write_openmetrics(store, run, out, namespace=target.namespace)
    said = [f"{target.path}: {done.samples:,} samples of {done.series:,} series"]
    if done.replaced:
        said.append(f"{done.replaced:,} more had the time of a later one of their series, which stands")
    if done.dropped:
        said.append(f"{done.dropped:,} series beyond the limit were left out")
    return said
