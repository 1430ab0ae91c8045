"""The runs that this machine has stores of."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import tzinfo
from pathlib import Path

from rli_agent.answer.reader import StoreReader
from rli_agent.answer.report import Report
from rli_agent.fleet.run import RECENT, FleetRun, idle_gpu_hours
from rli_agent.life.state import ENDS
from rli_agent.store.errors import StoreError
from rli_agent.store.registry import RunInfo, list_runs


def runs_of_stores(state: Path, zone: tzinfo, everything: bool = False) -> list[FleetRun]:
    """Each run, as its store tells. Without `everything` stores that were written last long ago are not opened, and
    those are left out that nobody writes and in which nothing was read, as a watch of a wrong directory leaves them.
    Raises StoreError where the directory of stores cannot be read."""
    now = time.time()
    infos = [info for info in list_runs(state) if everything or now - info.changed < RECENT]
    told = [_run(info, zone, now, everything) for info in infos]
    return [run for run in told if run is not None]


def _run(info: RunInfo, zone: tzinfo, now: float, everything: bool) -> FleetRun | None:
    try:
        if info.error is not None:
            raise StoreError(info.error)
        with closing(StoreReader(info.path, zone)) as reader:
            report = reader.report(now, info.writing)
    except StoreError as error:
        return FleetRun(info.run, "Unknown", "unknown", str(error), info.changed, watched=info.writing)
    if report.health == "Unknown" and not info.writing and not everything:
        return None
    return _told(report, info, now)


def _told(report: Report, info: RunInfo, now: float) -> FleetRun:
    run, progress = report.run, report.progress
    alone = not info.writing and progress.life not in ENDS
    health = "Unknown" if alone and report.health == "Healthy" else report.health
    why = "; ".join(report.reasons[:2]) or report.answer
    return FleetRun(
        run.id, health, progress.life, f"nobody watches it: {why}" if alone else why, info.changed,
        run.project or "", run.experiment or "", run.framework or "", run.root, info.writing,
        step=progress.step, max_steps=progress.max_steps, step_seconds=progress.step_seconds,
        last_step_at=progress.last_step_at, finishes_at=progress.finishes_at,
        alerts=[message.title for message in report.messages if message.open], problems=report.problem_count,
        gpus=run.gpus, idle_gpu_hours=idle_gpu_hours(progress.life, run.gpus, progress.last_step_at, now),
    )  # fmt: skip
