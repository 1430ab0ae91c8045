"""W&B's local files (`run-*.wandb`, offline or online) to figures and facts: history, config, summary, exit.

Field numbers: wandb/proto/wandb_internal.proto of wandb 0.31; those used here are the same since 0.12.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from rli_agent.events import Event, RunFact, Source, TimeIs
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.metric_files.figures import MOST, FigureReader, Figures
from rli_agent.parsers.metric_files.leveldb_log import records
from rli_agent.parsers.metric_files.wire import WireError, double, fields, integer, messages, text
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.remembered import Immediate, Remembered

_HISTORY, _SUMMARY, _CONFIG, _METRIC, _RUN, _EXIT = 2, 3, 4, 12, 17, 18
#: W&B's own keys begin so.
_OWN = "_"


class WandbState(Struct, Remembered):
    """What must be remembered between two records.

    axes: key or glob → the key that holds its step (`define_metric`). steps: the newest value of each such key. time:
    of the newest history. told: keys that the history has. summary: keys of the summary alone. `broken` counts records
    that could not be read.
    """

    axes: dict[str, str] = {}
    steps: dict[str, int] = {}
    time: float | None = None
    told: set[str] = set()
    summary: dict[str, float | int] = {}
    facts: dict[str, str] = {}
    broken: int = 0


class WandbParser(Immediate):
    """Reads one run's file. A record of the history is an event; with steps of several kinds, one for each."""

    def __init__(self, source: Source, rules: RuleSet, packs: Sequence[Pack], state: WandbState | None = None) -> None:
        self.source = source
        self.state = state or WandbState()
        self._reader = FigureReader(source, rules, packs)
        self._wanted: dict[str, list[str]] = {}
        for fact, places in (item for pack in packs for item in pack.configs.items()):
            self._wanted.setdefault(fact, []).extend(places)

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole records; `line` is the number of the first one. Events carry the times that the file gives."""
        del now
        events: list[Event] = []
        for number, (at, record) in enumerate(records(data, offset)):
            try:
                if record is None:
                    raise WireError("damaged")
                for kind, body in fields(record):
                    if isinstance(body, bytes):
                        events += self._record(kind, body, line + number, offset + at)
            except WireError:
                self.state.broken += 1
        return events

    def _record(self, kind: int, body: bytes, line: int, offset: int) -> Iterator[Event]:
        state = self.state
        if kind == _HISTORY:
            yield from self._history(dict(_items(body, 1)), line, offset)
        elif kind == _SUMMARY:
            for key, value in _items(body, 1):
                if key not in state.told and _is_figure(key, value) and len(state.summary) < MOST:
                    state.summary[key] = value
        elif kind == _METRIC:
            key, axis = text(body, 1) or text(body, 2), text(body, 4)
            if key and axis and len(state.axes) < MOST:
                state.axes[key] = axis
        elif kind in (_CONFIG, _RUN):
            for config in messages(body, 4) if kind == _RUN else (body,):
                yield from self._facts(dict(_items(config, 1)), line, offset)
        elif kind == _EXIT:
            yield from self._exit(body, line, offset)

    def _history(self, row: dict[str, Any], line: int, offset: int) -> Iterator[Event]:
        state = self.state
        for axis in set(state.axes.values()):
            if isinstance(row.get(axis), int | float) and abs(row[axis]) < 2**53:
                state.steps[axis] = int(row[axis])
        own = row.get("_step")
        time = row.get("_timestamp")
        state.time = float(time) if isinstance(time, int | float) else state.time
        by_step: dict[int | None, Figures] = {}
        for key, value in row.items():
            if not _is_figure(key, value):
                continue
            step = state.steps.get(self._axis(key), own if isinstance(own, int) else None)
            if step not in by_step:
                by_step[step] = Figures(line, offset, step, state.time)
            by_step[step].add(key, value)
            state.summary.pop(key, None)
            if len(state.told) < MOST:
                state.told.add(key)
        for figures in by_step.values():
            yield from self._reader.events(figures, None)

    def _axis(self, key: str) -> str:
        """The key that holds the step of this one; "" where it has none of its own."""
        axes = self.state.axes
        if key in axes:
            return axes[key]
        return next((axis for glob, axis in axes.items() if "*" in glob and fnmatch.fnmatchcase(key, glob)), "")

    def _facts(self, config: dict[str, Any], line: int, offset: int) -> Iterator[Event]:
        """What the run's configuration states of the facts that the packs want."""
        for fact, places in self._wanted.items():
            value = next((v for place in places if (v := _at(config, place)) is not None), None)
            if value is not None and self.state.facts.get(fact) != str(value):
                self.state.facts[fact] = str(value)
                yield self._fact(fact, str(value), line, offset)

    def _exit(self, body: bytes, line: int, offset: int) -> Iterator[Event]:
        code = next((integer(value) for number, value in fields(body) if number == 1), 0)
        if self.state.summary:
            figures = Figures(line, offset, None, self.state.time)
            for key, value in self.state.summary.items():
                figures.add(key, value)
            self.state.summary = {}
            yield from self._reader.events(figures, None)
        yield self._fact("life", "finished" if code == 0 else "failed", line, offset)

    def _fact(self, key: str, value: str, line: int, offset: int) -> RunFact:
        time_is: TimeIs = "logged" if self.state.time is not None else "estimated"
        return RunFact(self.source.file, line, offset, self.state.time, time_is, key, value[:4096])


def _is_figure(key: str, value: Any) -> bool:
    return isinstance(value, int | float) and not key.startswith(_OWN)


def _items(body: bytes, number: int) -> Iterator[tuple[str, Any]]:
    """Key and value of the items in a record; nested keys are joined by dots, as W&B's own pages show them."""
    for item in messages(body, number):
        parts, value = [], None
        for field, content in fields(item):
            if isinstance(content, bytes):
                if field in (1, 2):
                    parts.append(content.decode("utf-8", "replace"))
                elif field == 6:
                    value = double(content)
                elif field == 16:
                    value = _json(content)
            elif field == 4:
                value = bool(content)
            elif field == 5:  # zigzag
                value = (content >> 1) ^ -(content & 1)
        if any(parts):
            yield ".".join(parts), int(value) if isinstance(value, bool) else value


def _json(raw: bytes) -> Any:
    """W&B writes NaN and Infinity as bare words."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _at(config: Any, place: str) -> int | float | str | None:
    """The value at a dotted path, where it states something (see discover/configs.py)."""
    for part in place.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    if isinstance(config, str):
        return config if config.strip() and "${" not in config else None
    return config if isinstance(config, int | float) and not isinstance(config, bool) and config >= 0 else None
