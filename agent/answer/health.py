"""Healthy, degraded or down, and why: the rules of docs/status.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from rli_agent.answer.report import Health, Progress, Series, Told, Trouble
from rli_agent.life.headline import headline
from rli_agent.life.state import LifeState, Open
from rli_agent.life.wording import spoken

#: Ends that need somebody, and a run that no longer moves.
DOWN = frozenset({"failed", "cancelled", "preempted", "stalled"})
#: Problems of these kinds degrade a run; of the others only MANY within the same time do: they come and go.
GRAVE = frozenset(
    {
        "cuda_oom", "nccl", "nan", "oom_kill", "ckpt", "weight_sync", "disk_full", "worker_death", "hardware",
        "job_preempted", "traceback",
    }
)  # fmt: skip
MANY = 10
#: A problem counts for so many seconds, or usual steps, whichever is longer.
FRESH, FRESH_STEPS = 900.0, 3.0
#: A step is late after so many usual ones, or so many of the longest, but not before FLOOR seconds.
LATE, LATE_LONGEST, FLOOR = 5.0, 1.5, 120.0
#: An evaluation or a checkpoint may go on without a line for so many seconds.
MUTE = 600.0
#: Shares (0 to 1) above which rollouts are not what they should be; the catalogue's healthy ranges.
LIMITS = {
    "rl_errored_ratio": (0.05, "of the rollouts failed"),
    "rl_truncated_ratio": (0.5, "of the responses are cut off at the length limit"),
}


class Judged(NamedTuple):
    """Health and the sentences that say why; none where a run is simply healthy."""

    health: Health
    reasons: list[str]


def judge(
    progress: Progress, quality: Sequence[Series], problems: Sequence[Trouble], messages: Sequence[Told],
    late: str | None, alerts: Mapping[str, str] = MappingProxyType({}), reached: float | None = None,
) -> Judged:  # fmt: skip
    """How the run is. `problems`: the newest ones, of level ERROR and above; `late`: what `overdue` says; `alerts`:
    titles by detector of those that are not over; `reached`: the time of the newest line, where lines have one."""
    if progress.life == "finished":
        return Judged("Healthy", ["finished"])
    if progress.life in DOWN:
        return Judged("Down", [_cause(progress.life, problems, messages)])
    reasons = [m.title for m in messages if m.open and m.severity in ("warning", "critical")]
    told = {m.kind for m in messages if m.open}
    reasons += [title for detector, title in sorted(alerts.items()) if detector not in told]
    reasons += _problems(progress, problems, reached)
    for series in quality:
        limit, what = LIMITS.get(series.metric, (None, ""))
        if limit is not None and float(series.value) > limit:
            reasons.append(f"{float(series.value):.1%} {what}")
    reasons += [late] if late else []
    return Judged("Degraded" if reasons else "Healthy", reasons)


def overdue(state: LifeState, now: float) -> str | None:
    """What is said of a step that is late, long before the run counts as stalled (life/deadlines.py)."""
    usual = state.usual_step()
    if usual is None or state.step_at is None:
        return None
    aside = [o for o in state.open.values() if o.state in ("eval", "save_ckpt")]
    if aside:
        return _mute(state, aside, usual, now)
    since = now - max(state.step_at, state.aside_at or 0.0)
    if since <= max(LATE * usual, LATE_LONGEST * state.longest_gap, FLOOR):
        return None
    return f"no step for {spoken(since)} (usually every {spoken(usual)})"


def _mute(state: LifeState, aside: Sequence[Open], usual: float, now: float) -> str | None:
    """What is said of an evaluation or checkpoint in which nobody has written a line for long."""
    since = now - max((said.wrote for said in state.roles.values()), default=now)
    known = [seconds for lane in aside for seconds in state.lasting(lane.state)]
    if since <= max(LATE * usual, LATE_LONGEST * max(known, default=0.0), MUTE):
        return None
    return f"nothing was written for {spoken(since)}, with {aside[-1].lane} in {aside[-1].state}"


def _cause(life: str, problems: Sequence[Trouble], messages: Sequence[Told]) -> str:
    told = [m.title for m in messages if m.open and m.kind == life]
    if told:
        return told[-1]
    return f"{life}: {headline(problems[-1].message)[:160]}" if problems and life != "stalled" else life


def _problems(progress: Progress, problems: Sequence[Trouble], reached: float | None) -> list[str]:
    """What went wrong of late, by kind."""
    end = reached if reached is not None else progress.last_written_at
    window = max(FRESH, FRESH_STEPS * (progress.step_seconds or 0.0))
    fresh = [p for p in problems if end is None or p.time is None or p.time > end - window]
    grave = [p for p in fresh if p.kind in GRAVE]
    reasons = [f"{p.kind}: {headline(p.message)[:160]}" for p in {p.kind: p for p in grave}.values()]
    others = sum(p.count for p in fresh if p.kind not in GRAVE)
    if others >= MANY:
        reasons.append(f"{others} problems of late, the last: {headline(fresh[-1].message)[:160]}")
    return reasons
