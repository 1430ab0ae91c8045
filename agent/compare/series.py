"""A run's figures by step, from its store: the common metrics, the framework's own, and what each phase took."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from rli_agent.catalogue import Catalogue, base_factor
from rli_agent.events import Interval, Labels
from rli_agent.export.rows import StoredSamples, own_intervals
from rli_agent.parsers.timeline import intervals

#: Series of a run that are compared; of more, those that came first.
SERIES_LIMIT = 5000

#: A name, and what tells series of this name apart in words.
Key = tuple[str, str]
Figures = dict[Key, dict[int, float]]

#: Told of elsewhere, or no figure of how the run goes.
_LEFT_OUT = frozenset({"rl_step", "rl_max_steps"})


def figures(db: sqlite3.Connection, catalogue: Catalogue) -> tuple[Figures, Figures]:
    """The common metrics in base units, and all by the framework's own names. Of a step told twice, by an attempt that
    began before it or by a second file, the later figure stands. Raises sqlite3.Error."""
    common: Figures = {}
    native: Figures = {}
    for source, samples in StoredSamples(db):
        step, shape = samples.step, samples.shape
        if step is None:
            continue
        of = _told_apart(source.labels + shape.labels)
        rows = zip(shape.metrics, shape.names, shape.units, samples.values, strict=True)
        for metric, name, unit, value in rows:
            if metric is not None and metric in catalogue and metric not in _LEFT_OUT:
                stat = name if "stat" in catalogue[metric].labels else ""
                _put(common, (metric, " ".join(word for word in (of, stat) if word)), step, value * base_factor(unit))
            _put(native, (name, of), step, value)
    return common, native


def phases(db: sqlite3.Connection) -> Figures:
    """Seconds by step of each lane's states. Raises sqlite3.Error."""
    found: Figures = {}
    for interval in _closed(db):
        seconds = interval.seconds
        if seconds is not None and interval.step is not None:
            key = (interval.state, interval.lane)
            before = found.get(key, {}).get(interval.step, 0.0)
            _put(found, key, interval.step, before + seconds)
    return found


def _closed(db: sqlite3.Connection) -> Iterator[Interval]:
    for _, samples in StoredSamples(db, with_plan=True):
        yield from intervals(samples)
    for _, interval in own_intervals(db):
        yield interval


def _put(into: Figures, key: Key, step: int, value: float) -> None:
    found = into.get(key)
    if found is None:
        if len(into) >= SERIES_LIMIT:
            return
        found = into[key] = {}
    found[step] = value


def _told_apart(labels: Labels) -> str:
    """Labels in words, but for who wrote them: another framework's files have other roles."""
    return " ".join(f"{name}={value}" for name, value in sorted(set(labels)) if name != "role")
