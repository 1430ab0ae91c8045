"""One run's store, asked."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace

from rli_agent.answer.reader import StoreReader
from rli_agent.answer.report import Report
from rli_agent.catalogue import Catalogue
from rli_agent.life.state import ENDS, KNOWN_AS
from rli_agent.logs.window import Window
from rli_agent.query import alerts, engines, heat, problems, rollouts, series, steps, timeline
from rli_agent.query.columns import Columns
from rli_agent.query.curves import Axis, CurveList, counted, curve, standing_for
from rli_agent.query.intervals import Intervals
from rli_agent.query.log_windows import LogsWanted, log_window
from rli_agent.query.rollouts import RolloutList, RolloutShown
from rli_agent.rollouts.records import RolloutFile
from rli_agent.rollouts.selecting import Wanted
from rli_agent.rulebook import Rulebook
from rli_agent.store.connection import read_only
from rli_agent.store.errors import explain
from rli_agent.store.registry import is_held
from rli_agent.zone import named_zone

#: Curves in one answer; seconds for which it holds who waits for whom.
MOST_CURVES, WAITS = 64, 10.0


class RunQueries:
    """Answers from a run's store, which an agent may write meanwhile. Several threads may ask: one waits for the other.
    All methods raise StoreError.

    zone: of the clock in which sentences name times, and of the host that wrote the logs.
    """

    def __init__(self, store: Path, zone: tzinfo | None = None) -> None:
        self.store = store
        self._lock, self._reports = threading.Lock(), threading.Lock()  # how it is, is told while a curve is read
        self._zone = zone or named_zone(None)
        self._db = read_only(store)
        self._reader = StoreReader(store, zone)
        self._intervals = Intervals()
        self._columns = Columns()
        self._catalogue = Catalogue.load()
        self._newest_file: int | None = None
        self._rollout_files: list[RolloutFile] = []
        self._waits: tuple[float, str | None] = (0.0, None)

    def close(self) -> None:
        with self._lock, self._reports:
            self._reader.close()
            self._db.close()

    def __enter__(self) -> RunQueries:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def asked(self) -> Iterator[sqlite3.Connection]:
        """The connection, for as long as `with` lasts."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise explain(error, self.store) from error

    def report(self, now: float | None = None) -> Report:
        """How the run is."""
        with self._reports:
            return self._reader.report(time.time() if now is None else now, is_held(self.store))

    def timeline(self, since: float | None = None, until: float | None = None, width: int = 1200) -> timeline.Timeline:
        """What each lane did when."""
        with self.asked() as db:
            life = "SELECT json_extract(value, '$.life') FROM knowledge WHERE name = ?"
            (ended,) = db.execute(life, (KNOWN_AS,)).fetchone() or (None,)
            goes_on = ended not in ENDS and is_held(self.store)
            self._intervals.refresh(db)
            return timeline.timeline(db, self._intervals, time.time() if goes_on else None, width, since, until)

    def steps(self, last: int = 100) -> steps.Steps:
        """What the newest steps were spent on."""
        now = time.monotonic()
        if now > self._waits[0]:
            self._waits = (now + WAITS, self.report().performance.waits)
        with self.asked() as db:
            self._intervals.refresh(db)
            return steps.Steps(steps.lane_steps(self._intervals, last), self._waits[1])

    def series(self, query: str = "", limit: int = 2000) -> series.SeriesList:
        """The series that hold all words of the query."""
        with self.asked() as db:
            return series.list_series(db, self._catalogue, query, limit)

    def curves(
        self, ids: Sequence[str] = (), metrics: Sequence[str] = (), axis: Axis = "step", width: int = 1000,
        since: float | None = None, until: float | None = None,
    ) -> CurveList:  # fmt: skip
        """Series by id, and those that stand for common metrics, as far as the run has them."""
        with self.asked() as db:
            columns = self._columns
            columns.learn(db)
            wanted = [one for one in ids if one in columns.series]
            if metrics:
                counts = counted(columns, db.execute("SELECT shape, count(*) FROM lines GROUP BY shape").fetchall())
                wanted += [one for metric in metrics for one in standing_for(columns, metric, counts)]
            wanted = list(dict.fromkeys(wanted))[:MOST_CURVES]
            columns.refresh(db)
            columns.want(db, wanted)
            found = (curve(columns, self._catalogue, one, axis, width, since, until) for one in wanted)
            return CurveList([one for one in found if one.count])

    def heat(
        self, quantity: str = "reward", phase: str = "train", environment: str | None = None, columns: int = 300
    ) -> heat.Heat:
        """How a quantity of the rollouts was spread, step by step."""
        with self.asked() as db:
            return heat.heat(db, quantity, phase, environment, columns)

    def rollouts(self, wanted: Wanted) -> RolloutList:
        """Rollouts of a step, from the run's files. Raises UserError where there are none."""
        with self.asked() as db:
            if wanted.step is None:
                wanted = replace(wanted, step=rollouts.newest_step(db, wanted.phase, wanted.environment))
            files = self._files(db)
        return rollouts.rollouts(files, wanted)

    def rollout(self, file: str, offset: int, number: int) -> RolloutShown:
        """One rollout with its whole texts. Raises UserError where there is none."""
        with self.asked() as db:
            files = self._files(db)
        return rollouts.one_rollout(files, file, offset, number)

    def _files(self, db: sqlite3.Connection) -> list[RolloutFile]:
        """The run's rollout files, by the rule packs in force for it (without those that a watch was given by
        --rules)."""
        (newest,) = db.execute("SELECT max(id) FROM sources").fetchone()
        if newest != self._newest_file:
            (root,) = db.execute("SELECT root FROM runs").fetchone()
            self._rollout_files = rollouts.files_of_run(db, Rulebook([Path(root)]))
            self._newest_file = newest
        return self._rollout_files

    def logs(self, wanted: LogsWanted) -> Window:
        """A window on the merged log. Raises UserError for a step that was not seen."""
        with self.asked() as db:
            return log_window(db, self._zone, wanted)

    def problems(self, limit: int = 200) -> problems.Problems:
        """The problems, those of one make told once."""
        with self.asked() as db:
            return problems.problems(db, limit)

    def alerts(self) -> alerts.Alerts:
        """What detectors said, and what the agent told."""
        with self.asked() as db:
            return alerts.alerts(db)

    def engines(self) -> engines.Engines:
        """The engines' newest figures."""
        with self.asked() as db:
            return engines.engines(db, self._catalogue)
