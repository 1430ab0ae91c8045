"""All that a report tells of a run, gathered once: every page and picture is drawn from this."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, tzinfo
from pathlib import Path

from msgspec import Struct

from rli_agent.answer.reader import StoreReader
from rli_agent.answer.report import Report
from rli_agent.catalogue import Catalogue
from rli_agent.diagnose.case import Case, case_of_store
from rli_agent.diagnose.cause import cause_of
from rli_agent.diagnose.report import Diagnosis, diagnosis
from rli_agent.events import Problem
from rli_agent.life.headline import headline
from rli_agent.life.state import ENDS
from rli_agent.life.tracker import LifeTracker
from rli_agent.life.wording import doing
from rli_agent.query.alerts import alerts
from rli_agent.query.intervals import Intervals
from rli_agent.query.marks import Mark, marks
from rli_agent.report.curves import Chart, read_charts
from rli_agent.report.phases import Phases, phases_of
from rli_agent.report.timeline import Span, Timeline, fits, lanes_of, read_lanes, timeline
from rli_agent.store.connection import read_only
from rli_agent.store.errors import explain
from rli_agent.store.rows import file_name
from rli_agent.traces.ranks import Ranks, ranks
from rli_agent.traces.reading import Trace

#: Alerts and kinds of problems that are listed.
ALERTS, PROBLEMS = 200, 60
#: Problems and checkpoints nearer to each other than such a part of the timeline are one mark.
_APART = 400
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")


class Alert(Struct):
    """What a detector said, or the agent told of the run's life. `until`: when it was over."""

    time: float
    severity: str
    title: str
    text: str
    todo: str
    step: int | None = None
    until: float | None = None


class Trouble(Struct):
    """Problems of one kind and wording: the first of them, how many, and when."""

    first: Problem
    role: str
    count: int
    until: float | None
    last_step: int | None


class Fact(Struct):
    """Something constant about the run, and where it stands."""

    key: str
    value: str
    file: str
    line: int


class Attempt(Struct):
    """One start of the run. grave: the last problem in it that may have ended it."""

    number: int
    first_step: int | None
    last_step: int | None
    resumed_from: int | None
    start: float | None
    grave: str | None


class Contents(Struct):
    """`answer` is what `rli-agent status` says, `diagnosis` what `rli-agent diagnose` does. began, reached: the first
    and the last time that the run's lines tell; `told`: whether lines have times of their own. silent: the longest
    stretch, in seconds, in which neither a state nor a line is told, where that is long. ranks: what the traces add up
    to; beside: their own timeline, where they do not belong into the run's."""

    made: float
    zone: tzinfo
    answer: Report
    diagnosis: Diagnosis
    began: float | None
    reached: float | None
    told: bool
    attempts: list[Attempt]
    timeline: Timeline | None
    charts: list[Chart]
    phases: Phases
    alerts: list[Alert]
    problems: list[Trouble]
    problem_count: int
    facts: list[Fact]
    checkpoints: list[int | None]
    silent: float
    traces: list[Trace]
    ranks: Ranks | None
    beside: Timeline | None

    def when(self, at: float | None) -> str | None:
        """A moment by the run's own clock; None where that does not tell it: what is judged of lines without a time is
        judged when they are read."""
        if at is None or self.began is None or self.reached is None or not self.began <= at <= self.reached + 1:
            return None
        return self.clock(at, seconds=True)

    def clock(self, at: float | None, seconds: bool = False) -> str:
        """A moment in the report's zone; its date too where the run lasts beyond midnight."""
        if at is None:
            return "at an unknown time"
        when = datetime.fromtimestamp(at, self.zone)
        form = "%H:%M:%S" if seconds else "%H:%M"
        if self.began is None or self.reached is None:
            return f"{when:%Y-%m-%d {form}}"
        first, last = (datetime.fromtimestamp(t, self.zone).date() for t in (self.began, self.reached))
        if first.year != last.year:
            return f"{when:%Y-%m-%d {form}}"
        return f"{when:{form}}" if first == last == when.date() else f"{when:%b %d {form}}"


def answered(store: Path, watched: bool, zone: tzinfo) -> Report:
    """How the run is now. watched: an agent judges its life. Raises StoreError."""
    with closing(StoreReader(store, zone)) as reader:
        return reader.report(time.time(), watched)


def gather(store: Path, answer: Report, zone: tzinfo, traces: Sequence[Trace] = ()) -> Contents:
    """Read a run's store. traces: drawn with it. Raises UserError, StoreError."""
    case = case_of_store(store)
    if answer.progress.life == "stalled" and case.state.life not in ENDS:  # nobody watches: time alone tells
        case.now = answer.time
        case.doing = doing(case.state, case.now)
        LifeTracker(answer.run.id, case.state).tick(case.now)
    with closing(read_only(store)) as db:
        try:
            return _read(db, answer, case, zone, list(traces))
        except sqlite3.Error as error:
            raise explain(error, store) from error


def _read(db: sqlite3.Connection, answer: Report, case: Case, zone: tzinfo, traces: list[Trace]) -> Contents:
    began, reached, told = _extent(db)
    closed = Intervals()
    closed.refresh(db)
    lanes, traced = read_lanes(db, closed), lanes_of(traces)
    run = timeline(lanes, reached, rebuilt=not told)
    belongs = run is not None and fits(traces, run)
    if belongs:
        run = timeline(lanes | traced, reached, rebuilt=not told)
    if run is not None:
        run.marks = [mark for mark in marks(db, closed, run.start, run.end, run.length / _APART) if _is_new(mark)]
    silent = [
        _silent(db, a, b) for a, b in (run.breaks if run is not None else [])
        if began is not None and reached is not None and began <= a and b <= reached
    ]  # fmt: skip
    return Contents(
        made=answer.time, zone=zone, answer=answer, diagnosis=diagnosis(case, cause_of(case)),
        began=began, reached=reached, told=told, attempts=_attempts(case),
        timeline=run, charts=read_charts(db, Catalogue.load()), phases=phases_of(lanes),
        alerts=_alerts(db), problems=_folded(case), problem_count=sum(p.count for p in case.problems), facts=_facts(db),
        checkpoints=_checkpoints(lanes), silent=max(silent, default=0.0), traces=traces,
        ranks=ranks(traces), beside=None if belongs else timeline(traced),
    )  # fmt: skip


def _silent(db: sqlite3.Connection, start: float, end: float) -> float:
    """The longest stretch between the two without any line, in seconds."""
    rows = db.execute("SELECT time FROM lines WHERE time > ? AND time < ? ORDER BY time", (start, end))
    reached, longest = start, 0.0
    for (at,) in [*rows, (end,)]:
        reached, longest = at, max(longest, at - reached)
    return longest


def _is_new(mark: Mark) -> bool:
    """The first attempt begins where the run does."""
    return mark.kind != "attempt" or mark.title != "attempt 1"


def _checkpoints(lanes: Mapping[str, Sequence[Span]]) -> list[int | None]:
    """The steps of the checkpoints that were saved, in order, each once: several lanes may tell of one."""
    saved = [span for lane in lanes.values() for span in lane if span.state == "save_ckpt" and span.end is not None]
    steps: dict[float, int | None] = {}
    for span in sorted(saved, key=lambda span: span.start):
        steps.setdefault(span.start if span.step is None else span.step, span.step)
    return list(steps.values())


def _extent(db: sqlite3.Connection) -> tuple[float | None, float | None, bool]:
    """The first and last time of the run's lines: those that are logged, else those that were reckoned."""
    for told, which in ((True, "time_is = 'logged'"), (False, "1")):
        first, last = db.execute(
            "SELECT min(a), max(b) FROM "
            f"(SELECT min(time - coalesce(lasted, 0)) a, max(time) b FROM lines WHERE {which} "
            f'UNION ALL SELECT min(start), max("end") FROM interval_rows WHERE {which} '
            f"UNION ALL SELECT min(start), max(start) FROM interval_open WHERE start > 0 AND {which} "
            f"UNION ALL SELECT min(time), max(time) FROM problem_rows WHERE {which})"
        ).fetchone()
        if first is not None:
            return first, last, told
    return None, None, False


def _alerts(db: sqlite3.Connection) -> list[Alert]:
    """What was said of the run, in order. A detector's own message says nothing new."""
    found = alerts(db)
    detectors = {one.detector for one in found.alerts}
    said = [Alert(a.time, a.severity, a.title, a.text, a.todo, a.step, a.resolved_time) for a in found.alerts]
    said += [
        Alert(m.time, m.severity, m.title, m.text, m.todo, m.step) for m in found.messages if m.kind not in detectors
    ]
    return sorted(said, key=lambda alert: alert.time)[:ALERTS]


def _folded(case: Case) -> list[Trouble]:
    """The problems by kind and wording, those of most weight first, then as they came."""
    found: dict[tuple[str, str, str], Trouble] = {}
    for problem in case.problems:
        key = problem.kind, problem.level, _VARYING.sub("#", headline(problem.message))[:200]
        known = found.get(key)
        if known is None:
            found[key] = Trouble(problem, case.role(problem), problem.count, problem.time, problem.step)
            continue
        known.count += problem.count
        known.until = problem.time if problem.time is not None else known.until
        known.last_step = problem.step if problem.step is not None else known.last_step
    grave = {"CRITICAL": 0, "ERROR": 0}
    return sorted(found.values(), key=lambda trouble: grave.get(trouble.first.level, 1))[:PROBLEMS]


def _facts(db: sqlite3.Connection) -> list[Fact]:
    """What files and lines say, each key's newest value."""
    rows = db.execute("SELECT key, value, file, line FROM facts WHERE key <> 'life' ORDER BY rowid").fetchall()
    newest = {key: Fact(key, value, file_name(file), line) for key, value, file, line in rows}
    return sorted(newest.values(), key=lambda fact: fact.key)


def _attempts(case: Case) -> list[Attempt]:
    """The run's starts, in order."""
    state = case.state
    told = [*state.earlier, state.attempt]
    return [
        Attempt(a.number, a.first_step, a.last_step, a.resumed_from, a.start, _grave(case, a.start, after))
        for a, after in zip(told, [*(a.start for a in told[1:]), None], strict=True)
    ]


def _grave(case: Case, start: float | None, end: float | None) -> str | None:
    """The last problem between the two that may end a run."""
    found = None
    for problem in case.problems:
        if start is None or end is None or problem.time is None or not start <= problem.time <= end:
            continue
        if (case.grade(problem) or 0) >= 1:
            found = f"{problem.kind}: {headline(problem.message)}"
    return found
