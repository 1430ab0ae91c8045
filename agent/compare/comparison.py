"""The comparison of two runs as data: what the terminal, the page and `rli-agent compare --json` show."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from typing import Literal

from msgspec import Struct

from rli_agent.answer.reader import StoreReader
from rli_agent.catalogue import Catalogue
from rli_agent.compare.difference import Difference, difference
from rli_agent.compare.series import Figures, Key, figures, phases
from rli_agent.compare.settings import Setting, differing, settings_of
from rli_agent.diagnose.case import case_of_store
from rli_agent.diagnose.cause import cause_of
from rli_agent.diagnose.report import diagnosis
from rli_agent.discover import Found
from rli_agent.errors import UserError
from rli_agent.life.wording import spoken
from rli_agent.report.changes import is_judged
from rli_agent.store.connection import read_only

#: Goes up when a field changes its meaning or goes away; new fields may come at any time.
VERSION = 1
#: Facts that are no settings: they are told elsewhere, or name the run.
_NO_SETTINGS = frozenset({"life", "framework", "project", "experiment", "slurm_job", "max_steps"})
#: What is told first.
_ORDER = (
    "rl_reward_mean", "rl_eval_score", "rl_policy_entropy", "rl_policy_kl", "rl_policy_kl_old", "rl_mismatch_kl",
    "rl_grad_norm", "rl_response_length_mean_tokens", "rl_sequence_length_mean_tokens", "rl_truncated_ratio",
    "rl_errored_ratio", "rl_policy_loss", "rl_loss", "rl_step_duration_seconds", "rl_throughput_tokens_per_second",
)  # fmt: skip


class Metric(Struct, frozen=True):
    """A metric of both runs. `common`: it has a common name, and `unit` is its base unit. better: which run does
    better, where one direction is better and the difference is more than noise."""

    name: str
    of: str
    common: bool
    unit: str
    better: Literal["A", "B"] | None
    difference: Difference


class Phase(Struct, frozen=True):
    """Seconds that a lane is in a state a step."""

    lane: str
    state: str
    difference: Difference


class Side(Struct, frozen=True):
    """One of both runs. seconds: from its first to its last step, where the logs tell. cause: what ended it. problems,
    alerts: how many of each kind."""

    name: str
    root: str
    framework: str | None
    life: str
    answer: str
    step: int | None
    max_steps: int | None
    attempts: int
    seconds: float | None
    cause: str | None
    problems: dict[str, int]
    alerts: dict[str, int]


class Comparison(Struct, frozen=True):
    """Of B with A. steps: how many steps both runs tell of. metrics: the common ones first,
    then the framework's own, the clearest differences first; only_a, only_b: metrics that one run alone has."""

    version: int
    a: Side
    b: Side
    steps: int
    metrics: list[Metric]
    phases: list[Phase]
    settings: list[Setting]
    only_a: list[str]
    only_b: list[str]


class Compared(Struct, frozen=True):
    """A run to be compared. files, configs: where they are at hand."""

    name: str
    store: Path
    watched: bool = False
    files: Sequence[Found] = ()
    configs: Sequence[Path] = ()


class Pair(Struct, frozen=True):
    """A common metric of both runs, by step."""

    metric: Metric
    a: dict[int, float]
    b: dict[int, float]


def compare(a: Compared, b: Compared, zone: tzinfo) -> tuple[Comparison, list[Pair]]:
    """Compare two runs; the curves of what was compared, for pictures. Raises StoreError, sqlite3.Error."""
    catalogue = Catalogue.load()
    first, second = _read(a, catalogue), _read(b, catalogue)
    names = [{name for name, _ in of.native} for of in (first, second)]
    common = _metrics(first.common, second.common, catalogue)
    native = _metrics(first.native, second.native, None)
    found = Comparison(
        VERSION,
        _side(a, zone),
        _side(b, zone),
        len(_steps(first.native) & _steps(second.native)),
        [pair.metric for pair in (*common, *native)],
        _phases(first.phases, second.phases),
        differing(first.settings, second.settings),
        sorted(names[0] - names[1]),
        sorted(names[1] - names[0]),
    )
    return found, common


class _Told(Struct, frozen=True):
    """What a run's store and files tell."""

    common: Figures
    native: Figures
    phases: Figures
    settings: dict[str, str]


def _read(run: Compared, catalogue: Catalogue) -> _Told:
    with closing(read_only(run.store)) as db:
        common, native = figures(db, catalogue)
        rows = db.execute("SELECT key, value FROM facts ORDER BY time, line").fetchall()
        facts = {f"fact.{key}": value for key, value in rows if key not in _NO_SETTINGS}
        return _Told(common, native, phases(db), {**facts, **settings_of(run.configs, run.files)})


def _steps(figures: Figures) -> set[int]:
    return {step for series in figures.values() for step in series}


def _metrics(a: Figures, b: Figures, catalogue: Catalogue | None) -> list[Pair]:
    """Those of both runs. Where either has a metric once, under other labels, as two frameworks do, they are compared
    all the same."""
    alone_a, alone_b = _alone(a), _alone(b)
    found = []
    for key in a:
        other = key if key in b else alone_b.get(key[0]) if key[0] in alone_a else None
        if other is not None:
            found.append(Pair(_metric(key, difference(a[key], b[other]), catalogue), a[key], b[other]))
    return sorted(found, key=_rank)


def _alone(figures: Figures) -> dict[str, Key]:
    """The series whose name no other has, by it."""
    counts = Counter(name for name, _ in figures)
    return {name: (name, of) for name, of in figures if counts[name] == 1}


def _metric(key: Key, d: Difference, catalogue: Catalogue | None) -> Metric:
    quantity = catalogue[key[0]] if catalogue is not None else None
    better: Literal["A", "B"] | None = None
    judged = quantity is not None and is_judged(quantity.better, quantity.unit)
    if quantity is not None and judged and d.matters and d.a is not None and d.b is not None:
        better = "B" if (d.b > d.a) == (quantity.better == "up") else "A"
    return Metric(*key, quantity is not None, quantity.unit if quantity is not None else "", better, d)


def _rank(pair: Pair) -> tuple[int, float, str, str]:
    """The common ones as one asks for them, the others by how clear it is."""
    metric = pair.metric
    at = _ORDER.index(metric.name) if metric.name in _ORDER else len(_ORDER)
    return (at if metric.common else 0, -metric.difference.size, metric.name, metric.of)


def _phases(a: Figures, b: Figures) -> list[Phase]:
    found = [Phase(lane, state, difference(a[state, lane], b[state, lane])) for state, lane in a.keys() & b.keys()]
    return sorted(found, key=lambda p: (p.state != "step", -max(p.difference.a or 0.0, p.difference.b or 0.0), p.lane))


def _side(run: Compared, zone: tzinfo) -> Side:
    with closing(StoreReader(run.store, zone)) as reader:
        report = reader.report(time.time(), run.watched)
    try:
        case = case_of_store(run.store)
        told = diagnosis(case, cause_of(case))
        cause = told.cause.text if told.cause is not None else None
    except UserError:  # nothing is known of its life
        cause = None
    with closing(read_only(run.store)) as db:
        first, last = db.execute(
            "SELECT min(l.time - coalesce(l.lasted, 0)), max(l.time) FROM lines l JOIN sources s ON s.id = l.source "
            "WHERE l.step IS NOT NULL AND l.time_is <> 'estimated' AND coalesce(s.role, '') <> 'rollouts'"
        ).fetchone()
        counted = "SELECT kind, sum(count) FROM problems WHERE level IN ('ERROR', 'CRITICAL') GROUP BY kind ORDER BY 1"
        problems = {str(kind): int(count) for kind, count in db.execute(counted)}
        alerts = dict(db.execute("SELECT detector, count(*) FROM alerts GROUP BY detector ORDER BY 1"))
    progress, facts = report.progress, report.run
    return Side(
        run.name, facts.root, facts.framework, progress.life, report.answer, progress.step, progress.max_steps,
        facts.attempt, None if first is None else last - first, cause, problems, alerts,
    )  # fmt: skip


def sides(c: Comparison) -> list[tuple[str, str, str]]:
    """What is told of both runs as wholes: what it is, of A, of B."""
    both = (c.a, c.b)
    rows = {
        "run": [s.name for s in both],
        "framework": [s.framework or "unknown" for s in both],
        "life": [_life_of(s) for s in both],
        "lasted": ["–" if s.seconds is None else spoken(s.seconds) for s in both],
        "ended by": [s.cause or "–" for s in both],
        "problems": [_counted(s.problems) for s in both],
        "alerts": [_counted(s.alerts) for s in both],
    }
    return [(name, a, b) for name, (a, b) in rows.items()]


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"


def _life_of(side: Side) -> str:
    of = f" of {side.max_steps}" if side.max_steps is not None else ""
    where = f", step {side.step}{of}" if side.step is not None else ""
    return f"{side.life}{where}" + (f", {side.attempts} attempts" if side.attempts > 1 else "")
