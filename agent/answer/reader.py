"""Reads a run's store into a Report: the one place where facts about a run are gathered for people and programs."""

from __future__ import annotations

import os
import sqlite3
from datetime import tzinfo
from pathlib import Path

from msgspec.structs import replace

from rli_agent.answer import stability
from rli_agent.answer.curves import Curves
from rli_agent.answer.health import judge, overdue
from rli_agent.answer.performance import shares, usual_seconds, who_waits
from rli_agent.answer.report import (
    VERSION,
    FileState,
    LaneState,
    Performance,
    Progress,
    Report,
    RunFacts,
    Series,
)
from rli_agent.answer.troubles import Troubles
from rli_agent.life.state import ENDS, KNOWN_AS, LifeState
from rli_agent.life.tracker import LifeTracker
from rli_agent.machine.files import lived
from rli_agent.resume import newest_states
from rli_agent.status import COPIED, DOUBT, RunStatus
from rli_agent.store import lookup
from rli_agent.store.connection import read_only
from rli_agent.store.errors import StoreError, explain
from rli_agent.store.rows import file_name

QUALITY = (
    "rl_reward_mean", "rl_eval_score", "rl_response_length_mean_tokens", "rl_sequence_length_mean_tokens",
    "rl_truncated_ratio", "rl_errored_ratio", "rl_zero_signal_groups_ratio",
)  # fmt: skip
STABILITY = (
    "rl_policy_entropy", "rl_policy_kl", "rl_policy_kl_old", "rl_mismatch_kl", "rl_grad_norm", "rl_policy_loss",
    "rl_loss",
)  # fmt: skip
SPEED = ("rl_throughput_tokens_per_second",)
#: Of several engines: the sum, except of the KV cache, where the fullest one counts.
ENGINES = (
    "rl_engine_requests_running", "rl_engine_requests_waiting", "rl_engine_kv_cache_usage_ratio",
    "rl_engine_generation_tokens_per_second", "rl_engine_preemptions",
)  # fmt: skip
#: How late event loops run, of the environment server or else of the orchestrator: prime-rl's names, until 2026-06.
_LAG = ("env_server/event_loop_lag/server/p99", "event_loop_lag/p90", "event_loop_lag/max")
#: Files looked at for what was not read yet.
_FILES = 200
#: Environments whose rewards are told apart.
_ENVIRONMENTS = 12
SHOWN = 5
#: When each file's newest line was logged, and when the file was written.
_NEWEST_LINES = "SELECT max(time), mtime FROM (" + " UNION ALL ".join(
    f"SELECT s.id, s.mtime, (SELECT CASE time_is WHEN 'logged' THEN {time} END FROM {table} "
    "WHERE source = s.id ORDER BY line DESC LIMIT 1) AS time FROM sources s"
    for table, time in (
        ("lines", "time"), ("problem_rows", "time"), ('interval_rows', '"end"'), ("interval_open", "start"),
    )
) + ") WHERE time IS NOT NULL AND mtime IS NOT NULL GROUP BY id"  # fmt: skip


class StoreReader:
    """A run's store, read only; an agent may write it meanwhile. Raises StoreError where there is none.

    zone: of the clock that the answer names times in.
    """

    def __init__(self, path: Path, zone: tzinfo | None = None) -> None:
        self.path = path
        self._zone = zone
        self._db = read_only(path)
        self._curves = Curves((*QUALITY, *STABILITY, *SPEED, *ENGINES, *_LAG))
        self._troubles = Troubles(self._db)

    def close(self) -> None:
        self._db.close()

    def report(self, now: float, watched: bool = True) -> Report:
        """How the run is at `now`. watched: an agent judges the run's life; otherwise that is done here. Raises
        StoreError."""
        try:
            return self._report(now, watched)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def _report(self, now: float, watched: bool) -> Report:
        named = self._db.execute("SELECT run, root FROM runs").fetchone()
        if named is None:  # made a moment ago
            raise StoreError(f"the store {self.path} holds nothing yet")
        run, root = named
        tracker = LifeTracker(run, self._life())
        told = [] if watched else tracker.tick(now)
        self._curves.refresh(self._db)
        status, state = self._status(tracker), tracker.state
        reached, later = self._reached(state)
        if reached is not None and later > COPIED:
            status.behind = max(0.0, now - reached)
        if reached is None and not watched:
            status.was_written_in(lived(Path(root) / state.telling))
        progress, answer = self._progress(status, now), status.sentence(now)
        problems = self._troubles.newest()
        quality = self._series(QUALITY, state.step) + self._rewards(state.step)
        steady = self._series(STABILITY, state.step)
        messages, alerts = self._troubles.messages(told), self._troubles.alerts()
        health, reasons = judge(progress, quality, problems, messages, overdue(state, now), alerts, reached)
        if answer.startswith(DOUBT):
            if health == "Healthy":
                health, reasons = "Degraded", [answer]
        elif status.life == "starting" and state.progress_at is None and not status.lanes:
            if lookup.tells_nothing(self._db):
                health, reasons = "Unknown", [answer]
            elif not status.problems:
                answer = f"no step seen yet, only figures of {', '.join(self._roles()) or 'a file'}"
        facts = status.facts
        return Report(
            VERSION, now, answer, health, reasons,
            RunFacts(
                run, root, str(self.path) if watched else None, watched, facts.get("framework"), facts.get("model"),
                facts.get("project"), facts.get("experiment"), self._environments(facts.get("environments")),
                facts.get("batch_size"), state.gpus, state.attempt.number, state.attempt.resumed_from,
            ),
            progress, quality, steady, self._performance(state),
            lanes=_lanes(status, state, now - status.behind), usual=_usual(state), problem_count=status.problems,
            problems=problems[-SHOWN:], messages=messages[-SHOWN:],
            files=self._files(Path(root)),
        )  # fmt: skip

    def _roles(self) -> list[str]:
        rows = self._db.execute("SELECT DISTINCT role FROM sources WHERE role <> 'unknown' ORDER BY role LIMIT 5")
        return [role for (role,) in rows]

    def _life(self) -> LifeState:
        known = lookup.kept(self._db, KNOWN_AS)
        try:
            return LifeState() if known is None else LifeState.decode(known)
        except ValueError:  # of another version of the agent
            return LifeState()

    def _status(self, tracker: LifeTracker) -> RunStatus:
        """The run's status, as far as its sentence needs it."""
        status, state = RunStatus(self._zone), tracker.state
        status.tracker = tracker
        for _, event in newest_states(self._db):
            status.record([event], state.progress_at or 0.0)
        status.take_over(state)
        reward = self._series(("rl_reward_mean",), state.step)
        if reward and reward[0].environment is None:
            status.newest[reward[0].metric] = float(reward[0].value)
        status.last_problem, status.problems = self._troubles.counted()
        raised = dict(self._db.execute("SELECT detector, severity FROM alerts WHERE resolved_time IS NULL").fetchall())
        status.alerts = lambda: raised
        return status

    def _reached(self, state: LifeState) -> tuple[float | None, float]:
        """The time of the run's newest line, by its own clock, and by how much the files were written later, at least.
        None where its lines, or those of its steps, have no time."""
        if state.step is not None and state.leader_time is None:
            return None, 0.0
        rows = self._db.execute(_NEWEST_LINES).fetchall()
        return max((time for time, _ in rows), default=None), min((mtime - time for time, mtime in rows), default=0.0)

    def _progress(self, status: RunStatus, now: float) -> Progress:
        assert status.tracker is not None
        state = status.tracker.state
        usual, whole, life = status.step_seconds(), status.max_steps, status.life
        ends = status.finishes(now) if life == "running" else None
        (written,) = self._db.execute("SELECT max(mtime) FROM sources").fetchone()
        return Progress(
            life, status.step, whole, usual, state.step_at, written, ends, state.ckpt_step, state.ckpt_at
        )  # fmt: skip

    def _series(self, metrics: tuple[str, ...], step: int | None) -> list[Series]:
        """What the metrics have, each once; where it is told of environments only, of each of them."""
        found = []
        for metric in metrics:
            curves = sorted(self._curves.standing_for(metric).items())
            for environment, curve in curves[:_ENVIRONMENTS]:
                series = stability.series(metric, curve.points(step), curve.has_steps)
                if series is not None:
                    found.append(replace(series, environment=environment or None))
        return found

    def _rewards(self, step: int | None) -> list[Series]:
        """The reward of each environment in the newest step's rollouts, where there are several."""
        rows = self._db.execute(
            "SELECT environment, sum(reward_sum) / sum(reward_count) FROM rollouts "
            "WHERE phase = 'train' AND reward_count > 0 AND step = (SELECT max(step) FROM rollouts "
            "WHERE phase = 'train' AND reward_count > 0 AND step <= ?) "
            "GROUP BY environment ORDER BY environment LIMIT ?",
            (step, _ENVIRONMENTS),
        ).fetchall()
        if len(rows) < 2:
            return []
        return [Series("rl_reward_mean", mean, step, environment=name) for name, mean in rows if mean is not None]

    def _performance(self, state: LifeState) -> Performance:
        trainer = usual_seconds(state.usual, "trainer", "step")
        whole = "step" if "orchestrator\0step" in state.usual else "rollout"  # prime-rl: its step line closes a rollout
        orchestrator = usual_seconds(state.usual, "orchestrator", whole)
        steps = {
            "trainer": ("step", trainer or state.usual_step() or 0.0), "orchestrator": (whole, orchestrator or 0.0),
        }  # fmt: skip
        parts = shares(state.usual, steps)
        series = self._series(SPEED, state.step)
        for metric in ENGINES:
            curves = self._curves.all(metric)
            newest = [points[-1][1] for c in curves if (points := c.points())]
            if newest:
                value = max(newest) if metric == "rl_engine_kv_cache_usage_ratio" else sum(newest)
                values = [v for _, v in curves[0].points()[-stability.SHOWN :]] if len(curves) == 1 else []
                series.append(Series(metric, stability.printed(value), values=[*map(stability.printed, values)]))
        lags = self._series(_LAG, None)
        waits = who_waits(parts, trainer, orchestrator)
        return Performance(trainer, orchestrator, parts, waits, float(lags[0].value) if lags else None, series)

    def _environments(self, configured: str | None) -> list[str]:
        """Those that figures and rollouts name, else those that the configuration does."""
        rows = self._db.execute(
            "SELECT DISTINCT json_extract(labels, '$.environment') FROM shapes UNION "
            "SELECT DISTINCT json_extract(labels, '$.environment') FROM sources UNION "
            "SELECT DISTINCT environment FROM (SELECT environment FROM rollout_rows ORDER BY id DESC LIMIT 1000)"
        )
        return sorted(str(name) for (name,) in rows if name)[:50] or (configured.split(", ") if configured else [])

    def _files(self, root: Path) -> list[FileState]:
        rows = self._db.execute(
            "SELECT file, role, offset, mtime FROM sources WHERE offset IS NOT NULL ORDER BY mtime DESC LIMIT ?",
            (_FILES,),
        )
        found = []
        for key, role, offset, mtime in rows:
            name = file_name(key)
            try:
                size = os.stat(root / name if root.is_dir() else root).st_size
            except OSError:
                size = None
            found.append(FileState(name, role or "unknown", size, max(0, (size or 0) - offset), mtime))
        return found


def _lanes(status: RunStatus, state: LifeState, now: float) -> list[LaneState]:
    """What lanes do now, the trainer first."""
    found: list[LaneState] = []
    if status.life in ENDS:
        return found
    for name, lane in sorted(status.lanes.items(), key=lambda item: (item[0] != "trainer", item[0])):
        for interval in lane.open.values():
            if interval.start is not None:
                usual = usual_seconds(state.usual, name, interval.state)
                found.append(LaneState(name, interval.state, max(0.0, now - interval.start), usual))
    return found


def _usual(state: LifeState) -> list[LaneState]:
    keys = sorted(state.usual, key=lambda key: (not key.startswith("trainer\0"), key))
    found = []
    for lane, _, name in (key.partition("\0") for key in keys):
        usual = usual_seconds(state.usual, lane, name)
        if usual is not None:
            found.append(LaneState(lane, name, usual))
    return found
