"""The Trainer's `trainer_state.json`: all that it logged, written whole at each checkpoint.

Source: transformers' TrainerState (4.49 to 5.23): `json.dumps(…, indent=2, sort_keys=True)`, which prints NaN and
Infinity as bare words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from rli_agent.events import Event, RunFact, Source, TimeIs
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.metric_files.figures import FigureReader, Figures
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.remembered import Immediate, Remembered

_DECODER = json.JSONDecoder()
_STEP = re.compile(rb'"global_step":\s*(\d{1,15})')
_HISTORY = re.compile(r'"log_history":\s*\[\s*')
_BETWEEN = re.compile(r"[\s,]*")
#: What the callbacks for W&B and TensorBoard make of a key's beginning; all else is `train/`.
_PREFIXES = {"eval_": "eval/", "test_": "test/"}


def whole(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """A document is whole when it is JSON to its end; a `Framing` of follow/cursor.py."""
    del offset
    body = data[at:].rstrip()
    return (len(data), 1) if body.endswith(b"}") and _document(body) is not None else (len(data) + 1, 1)


def last_step(head: bytes) -> int:
    """The step at which a document was written, from its beginning; 0 where that is not there."""
    found = _STEP.search(head)
    return int(found[1]) if found is not None else 0


class HistoryState(Struct, Remembered):
    """Nothing is remembered between two documents but how many could not be read."""

    broken: int = 0


class HistoryParser(Immediate):
    """Reads one `trainer_state.json`: an event for each entry of its history, at the line on which it begins."""

    def __init__(
        self, source: Source, rules: RuleSet, packs: Sequence[Pack], state: HistoryState | None = None
    ) -> None:
        self.source = source
        self.state = state or HistoryState()
        self._reader = FigureReader(source, rules, packs)

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read a whole document. Entries carry no times: see SourceParser.feed for `now`."""
        del offset, line
        text = data.decode("utf-8", "replace")
        document = _document(data)
        if document is None:
            self.state.broken += 1
            return []
        events: list[Event] = []
        steps = document.get("max_steps")
        if isinstance(steps, int) and steps > 0:
            time_is: TimeIs = "observed" if now is not None else "estimated"
            events.append(RunFact(self.source.file, 1, 0, now, time_is, "max_steps", str(steps)))
        for at, entry in _entries(text):
            line = text.count("\n", 0, at) + 1
            step = entry.pop("step", None)
            figures = Figures(line, at, step if isinstance(step, int) else None, None)
            for key, value in entry.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    figures.add(_logged(key), value)
            if figures.values:
                events.append(self._reader.samples(figures, now))
        return events


def _document(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _entries(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Place and content of each entry of the history."""
    begin = _HISTORY.search(text)
    at = begin.end() if begin is not None else len(text)
    while text.startswith("{", at):
        entry, end = _DECODER.raw_decode(text, at)
        yield at, entry
        between = _BETWEEN.match(text, end)
        at = between.end() if between is not None else end


def _logged(key: str) -> str:
    beginning = next((b for b in _PREFIXES if key.startswith(b)), "")
    return _PREFIXES.get(beginning, "train/") + key[len(beginning) :]
