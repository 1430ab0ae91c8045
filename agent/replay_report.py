"""What `rli-agent detect` prints: alerts as JSON lines, or for people, with curves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from rli_agent.curves import curve
from rli_agent.detect.engine import Alert, Engine
from rli_agent.detect.language import Detector
from rli_agent.detect.readings import Reader, Reading
from rli_agent.detect.wording import explained, title
from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.parsing import refuse_missing
from rli_agent.printing import json_line
from rli_agent.replaying import as_object, is_trace, replay, run_readings, trace_readings, traces_in
from rli_agent.rulebook import Rulebook
from rli_agent.terminal import many, plain
from rli_agent.zone import named_zone


def explain_detectors(detectors: Sequence[Detector], name: str) -> str:
    """What a detector, or each of them, looks at. Raises UserError for a name that none has."""
    known = {detector.name: detector for detector in detectors}
    if name == "all":
        return "\n\n".join(map(explained, detectors))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"no detector is called {name}", hint)
    return explained(known[name])


def report(
    paths: Sequence[Path], detectors: Sequence[Detector], rules: Sequence[Path], framework: str | None,
    say: Callable[[str], None], *, json_lines: bool, plot: bool,
) -> None:  # fmt: skip
    """Replay each trace, also those of a directory of traces, and what is left of `paths` as one run; print the alerts
    as they arise. Raises UserError, at the end, where there was nothing to judge."""
    refuse_missing(paths, "a metric trace")
    known = {detector.name: detector for detector in detectors}
    given = [file for path in paths for file in ((path.is_dir() and traces_in(path)) or [path])]
    runs: list[tuple[str, tuple[Path, ...]]] = [(path.name, (path,)) for path in given if is_trace(path)]
    logs = tuple(path for path in given if not is_trace(path))
    if logs:
        runs.append((str(logs[0]), logs))
    empty: list[Path] = []
    for name, places in runs:
        engine = Engine(detectors)
        readings = _readings(places, engine, rules, framework)
        first = next((told for told in readings if told), None)
        if first is None:
            empty += places
            continue
        found = 0
        for alert in replay(chain([first], readings), engine):
            found += alert.status == "firing"
            if json_lines:
                say(json_line(as_object(alert, known[alert.detector])))
            else:
                _tell(alert, known[alert.detector], engine, plot, say)
        if not json_lines:
            say(plain(f"{name}: {many(found, 'alert') if found else 'no alerts'}"))
    if empty:
        where = ", ".join(map(str, empty))
        raise UserError(f"no figure to judge in {where}", "name a run's directory, its logs, or trace files")


def _readings(
    places: Sequence[Path], engine: Engine, rules: Sequence[Path], framework: str | None
) -> Iterator[list[Reading]]:
    if is_trace(places[0]):
        return trace_readings(places[0])
    book = Rulebook([p for p in places if p.is_dir()], rules)
    for complaint in book.complaints:
        logger.error("{}", complaint)
    reader = Reader(engine.wanted, engine.state.derived)
    return run_readings(places, reader, book, named_zone(None), framework)


def _tell(alert: Alert, detector: Detector, engine: Engine, plot: bool, say: Callable[[str], None]) -> None:
    word = "over" if alert.status == "resolved" else alert.severity
    say(plain(f"[{word}] {alert.file}: {title(alert)}"))
    if alert.status == "resolved":
        return
    part = f" (part of {alert.incident})" if alert.incident != alert.id else ""
    say(plain(f"    {detector.about}{part}"))
    if detector.todo:
        say(plain(f"    Do: {detector.todo}"))
    if plot:
        history = engine.history(alert)
        if history is not None:
            for line in curve(history.values, history.steps):
                say(plain(f"    {line}"))
