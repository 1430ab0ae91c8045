"""What is looked at: a run's life as its events tell it, and all its problems in the order of time."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import tzinfo
from pathlib import Path
from typing import Any

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.events import Event, Interval, Problem, Samples, Source
from rli_agent.life import wording
from rli_agent.life.outcome import LAUNCHER
from rli_agent.life.problems import grade
from rli_agent.life.state import KNOWN_AS, LifeState, Suspect
from rli_agent.life.tracker import LifeTracker
from rli_agent.parsing import discover, files_read, locked, refuse_missing, refuse_several, why_nothing
from rli_agent.rulebook import Rulebook
from rli_agent.store import lookup
from rli_agent.store.connection import read_only
from rli_agent.store.errors import StoreError
from rli_agent.store.registry import run_at, store_path
from rli_agent.store.rows import file_name, labels_of

#: Of each file's figures and states the newest so many are looked at, and of all problems.
NEWEST = 50_000
#: Memory of a host, of a process, of a GPU, as frameworks name it.
_MEMORY = re.compile(r"(?:^|[/_. ])(?:mem|memory|rss|vram)(?:[/_. ]|$)", re.IGNORECASE)
#: Values of each that are kept.
_KEPT = 5


class Ended(Struct, frozen=True):
    """An attempt of the run that is over, and what ended it as far as anybody knows."""

    number: int
    last_step: int | None
    cause: Suspect | None


class Case(Struct):
    """A run to be diagnosed. `state` is its life at `now`, by the clock of its logs. problems: in the order of time.
    roles: who writes each file. memory: the newest figures of memory, by name, as (step, value). root: where its files
    are, None where they are not at hand. ended: attempts before the last one. doing: what each lane was in last.
    locked: files that may not be read, and why."""

    state: LifeState
    problems: list[Problem]
    roles: dict[str, str]
    now: float
    root: Path | None = None
    memory: dict[str, list[tuple[int | None, float]]] = {}
    ended: list[Ended] = []
    doing: list[str] = []
    locked: list[str] = []

    def role(self, problem: Problem) -> str:
        """Who wrote of a problem."""
        return dict(problem.labels).get("role") or self.roles.get(problem.file, "unknown")

    def grade(self, problem: Problem) -> int | None:
        """How deadly a problem is: see `life.problems.grade`."""
        return grade(problem, self.role(problem))


def case_of_logs(
    paths: Sequence[Path], book: Rulebook, zone: tzinfo, framework: str | None = None, state: Path | None = None
) -> Case:
    """Read a run's files as `rli-agent parse` does, and live its life again, with what an agent has seen of it that no
    file tells. state: the directory of the stores. Raises UserError.
    """
    refuse_missing(paths)
    refuse_several(paths, book)
    scan = discover(paths, book, framework)
    written = 0.0
    told: list[tuple[Source, Event]] = []
    for found, sifted in files_read(scan, book, zone):
        told += [(found.source, event) for event in _newest(sifted.new)]
        with suppress(OSError):  # it may be gone by now
            written = max(written, found.path.stat().st_mtime)
    if not told:
        raise UserError(f"nothing to diagnose: {why_nothing(scan)[0]}", "give a run's output directory, or its logs")
    if state is not None:
        told += [(LAUNCHER, problem) for problem in _seen(store_path(state, run_at(state, scan.run.root)))]
    case = Case(LifeState(), [], {found.source.file: found.source.role for found in scan.found}, 0.0, scan.run.root)
    case.state.attached = True
    case.locked = locked(scan)
    if scan.run.framework:
        case.state.facts["framework"] = scan.run.framework
    case.state.facts |= {fact.key: str(fact.value) for fact in scan.facts}
    _relive(case, told, max(0.0, time.time() - written))
    return case


def case_of_store(path: Path) -> Case:
    """Take what an agent kept of a run. Raises UserError where it kept nothing."""
    try:
        return _stored(path)
    except (StoreError, sqlite3.Error) as error:
        raise UserError(f"{path} cannot be read: {error}", "give the run's output directory") from None


def _stored(path: Path) -> Case:
    with closing(read_only(path)) as db:
        known = lookup.kept(db, KNOWN_AS)
        run = db.execute("SELECT root FROM runs").fetchone()
        if known is None or run is None:
            raise UserError(f"{path} knows nothing of a run's life", "give the run's output directory")
        try:
            state = LifeState.decode(known)
        except ValueError:
            raise UserError(f"{path} was written by another version", "give the run's output directory") from None
        problems = _problems(db)
        roles = {file_name(file): role or "unknown" for file, role in db.execute("SELECT file, role FROM sources")}
        memory: dict[str, list[tuple[int | None, float]]] = {}
        names = [n for (n,) in db.execute("SELECT DISTINCT name FROM series") if _MEMORY.search(n)]
        for name in names[:20]:
            rows = db.execute(
                "SELECT step, value FROM samples WHERE name = ? ORDER BY time DESC LIMIT ?", (name, _KEPT)
            )
            memory[name] = [(step, float(value)) for step, value in reversed(rows.fetchall()) if value is not None]
        (newest,) = db.execute("SELECT max(mtime) FROM sources").fetchone()
    root = Path(run[0])
    now = max(state.progress_at or 0.0, newest or 0.0)
    now = time.time() if now and time.time() - now < 60.0 else now
    doing = wording.doing(state, now)
    return Case(state, problems, roles, now, root if root.is_dir() else None, memory, doing=doing)


def _seen(store: Path) -> list[Problem]:
    """What no file tells: how a process ended that the agent had started, trainers that were gone."""
    try:
        with closing(read_only(store)) as db:
            return [problem for problem in _problems(db) if problem.file == LAUNCHER.file]
    except (StoreError, sqlite3.Error):  # nobody has watched it, or it will be said when it is opened
        return []


def _problems(db: sqlite3.Connection) -> list[Problem]:
    rows = db.execute(
        "SELECT * FROM (SELECT file, line, offset, time, time_is, level, kind, message, count, step, rule, labels "
        "FROM problems ORDER BY time DESC LIMIT ?) ORDER BY time, line",
        (NEWEST,),
    )
    return [_problem(*row) for row in rows]


def _problem(file: str | bytes, *rest: Any) -> Problem:
    *told, labels = rest
    line, offset, when, time_is, level, kind, message, count, step, rule = told
    return Problem(
        file_name(file), line, offset, when, time_is, level, kind, message, count, step, rule, labels_of(labels)
    )


def _newest(events: Iterable[Event]) -> Iterator[Event]:
    """Of figures and states the newest, all else, in order."""
    flowing = (Samples, Interval)
    kept: deque[Event] = deque(maxlen=NEWEST)
    others: list[Event] = []
    for event in events:
        (kept if isinstance(event, flowing) else others).append(event)
    return iter(sorted([*others[-NEWEST:], *kept], key=lambda event: event.line))


def _relive(case: Case, told: list[tuple[Source, Event]], silent: float) -> None:
    """Give the events to a tracker in the order of time. silent: seconds since anything was written."""
    timed = list(_timed(told))
    timed.sort(key=lambda item: item[0])
    tracker = LifeTracker("", case.state)
    now = 0.0
    for at, source, event in timed:
        now = max(now, at)
        before, number, step = case.state.suspect, case.state.attempt.number, case.state.step
        tracker.record([event], source, now)
        if case.state.attempt.number > number:
            case.ended.append(Ended(number, step, before))
        _remember(case, event)
    case.now = now + silent
    case.doing = wording.doing(case.state, now)  # before it is known that the run has ended
    tracker.tick(case.now, last=True)
    tracker.tick(case.now)


def _timed(told: Iterable[tuple[Source, Event]]) -> Iterator[tuple[float, Source, Event]]:
    """Each event with its time; what has none has that of the one before it in its file."""
    last: dict[str, float] = {}
    for source, event in told:
        at = event.time if not isinstance(event, Interval) else event.start if event.end is None else event.end
        at = last[source.file] = at if at is not None else last.get(source.file, 0.0)
        yield at, source, event


def _remember(case: Case, event: Event) -> None:
    if isinstance(event, Problem):
        case.problems.append(event)
    elif isinstance(event, Samples):
        for name, value in zip(event.shape.names, event.values, strict=False):
            if _MEMORY.search(name) and value == value:
                kept = case.memory.setdefault(name, [])
                kept.append((event.step, value))
                del kept[:-_KEPT]
