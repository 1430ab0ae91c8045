"""What the passing of time decides: that a run has ended, stalls, does not end, or will lose its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rli_agent.life import problems, wording
from rli_agent.life.deadlines import INNER, allowed_until, silence_patience
from rli_agent.life.state import ENDS, LifeState, Suspect
from rli_agent.message import Severity

if TYPE_CHECKING:
    from rli_agent.life.tracker import LifeTracker

#: Seconds to wait, once the run said that it ended, for what other files say of the cause.
GRACE = 15.0
#: After an end other processes may write for so long; nothing that moves counts.
LINGER = 600.0
#: A file whose process died says no more than its last words, within this.
LAST_WORDS = 60.0
#: The scheduler's limit is told this long before, if the last checkpoint is older than that.
LIMIT, STALE_CHECKPOINT = 900.0, 1200.0
#: A run that had been silent this long when the agent came is old, not stalled.
OLD = 3600.0


def judge(tracker: LifeTracker, now: float, last: bool) -> None:
    """Decide. `last`: nothing more will come."""
    state = tracker.state
    came = not state.attached
    state.attached = True
    if state.life in ENDS:
        _lingers(tracker, now)
        return
    if state.ending is not None:
        if last or now - state.ending.seen >= GRACE:
            _end(tracker, state.ending.word, state.ending.time, now, came)
        return
    suspect = state.suspect
    if suspect is not None and _deadly_silence(state, suspect, now):
        _end(tracker, suspect.verdict, suspect.time, now, came)
        return
    if _all_done(state, now):
        _end(tracker, "finished", state.step_at or now, now, came)
        return
    if not last:
        _stall(tracker, now, came)
    _limit(tracker, now)


def _end(tracker: LifeTracker, word: str, time: float, now: float, came: bool) -> None:
    """The run is over. What ended before the agent came is told only if it is bad."""
    state = tracker.state
    suspect = state.suspect
    if word == "finished":
        state.suspect = None
        if not came:
            text = f"{wording.spoken(now - (state.first_sign or now))} after it began."
            if wording.short_of(state):
                text += " Steps are left: see its last lines for who ended it, if nobody meant it to end."
            tracker.say("finished", "info", f"finished {wording.where(state)}", text, time)
        tracker.close_incident("stalled", f"finished {wording.where(state)}", now)
    else:
        if suspect is not None and suspect.verdict != "failed":
            word = suspect.verdict
        title, text = wording.ended(state, word, now)
        advice = problems.advice(suspect.kind if suspect else "", state.step)
        severity: Severity = "critical" if word == "failed" else "warning"
        if came:
            text = f"It had ended when the agent came.\n{text}"
        under = "stalled" if "stalled" in state.incidents else word
        tracker.open_incident(word, severity, title, text, suspect.time if suspect else time, advice, under)
    state.life = word
    state.ending = None
    state.ended_at = now
    state.attempt.end = time
    state.ended_in = wording.begun_step(state)
    state.open.clear()


def _deadly_silence(state: LifeState, suspect: Suspect, now: float) -> bool:
    """Whether the run has been so quiet since a problem that it must have been the end."""
    if suspect.grade == 0:
        return False
    patience = silence_patience(state)
    if now - max(suspect.seen, state.inner_at or 0.0) < patience:
        return False
    if suspect.grade == 2:
        return True
    # A traceback may have been caught: the process that printed it must be silent, and its step overdue.
    if suspect.wrote > suspect.seen + LAST_WORDS:
        return False
    usual = state.usual_step()
    if usual is not None and state.step_at is not None:
        late = state.step_at + max(1.5 * usual, min(state.longest_gap, INNER))
        if now < late:
            return False
    return all(lane.state not in ("eval", "save_ckpt") or now - lane.since > INNER for lane in state.open.values())


def _all_done(state: LifeState, now: float) -> bool:
    """Whether all steps are done and nothing moves any more: some frameworks do not say that they end."""
    whole, step = state.max_steps, state.step
    if whole is None or step is None or state.step_at is None or state.progress_at is None:
        return False
    from_zero = state.attempt.first_step == 0 and step == whole - 1
    return (step >= whole or from_zero) and now - state.progress_at >= silence_patience(state)


def _stall(tracker: LifeTracker, now: float, came: bool) -> None:
    state = tracker.state
    until = allowed_until(state)
    if until is None or state.life == "stalled" or state.quiet:
        return
    if now < until:
        return
    assert state.progress_at is not None
    known = 1.5 * (until - state.progress_at) if state.usual_step() is not None else 0.0
    if came and now - state.progress_at > max(known, OLD):
        state.quiet = True
        return
    title, text = wording.stalled(state, now)
    state.life = "stalled"
    usual = state.usual_step()
    values = [("seconds_without_progress", now - state.progress_at), ("seconds_allowed", until - state.progress_at)]
    values += [("seconds_of_a_usual_step", usual)] if usual is not None else []
    tracker.open_incident(
        "stalled", "critical", title, text, now,
        "Look at the role that has been silent for longest; `py-spy dump` of its process says where it hangs.",
        since=state.progress_at, since_step=state.step, values=tuple((name, round(v, 3)) for name, v in values),
    )  # fmt: skip


def _lingers(tracker: LifeTracker, now: float) -> None:
    """The end that does not end: other processes go on, and hold the job's machines."""
    state = tracker.state
    if state.lingers or state.life == "preempted" or state.ended_at is None:
        return
    since = max([state.ended_at, state.inner_at or 0.0, *(lane.since for lane in state.open.values())])
    writing = sorted(role for role, said in state.roles.items() if role and said.writes(now))
    if not writing or now - since < LINGER:
        return
    state.lingers = True
    text = "\n".join(["Last said:", *(f"  {line}" for line in wording.last_words(state, now))])
    ago, who = wording.spoken(now - state.ended_at), ", ".join(writing)
    title = f"{state.life} {ago} ago, but {who} still writes: the job may hold its machines"
    tracker.open_incident("lingers", "warning", title, text, now, "End the job if nothing of it is wanted any more.")


def _limit(tracker: LifeTracker, now: float) -> None:
    """The scheduler is about to end the job, and much would be lost."""
    state, end = tracker.state, tracker.job_end
    if end is None or state.limit_told == end or not end - LIMIT <= now < end or state.step_at is None:
        return
    if state.ckpt_at is not None and now - state.ckpt_at <= STALE_CHECKPOINT:
        return
    usual, whole = state.usual_step(), state.max_steps
    left = whole - state.step if whole is not None and state.step is not None else None
    if usual is not None and left is not None and state.step_at + left * usual < end:
        return  # it will be done before
    state.limit_told = end
    saved = f"the last checkpoint is {wording.spoken(now - state.ckpt_at)} old" if state.ckpt_at is not None else (
        "no checkpoint was seen"
    )  # fmt: skip
    tracker.say(
        "time_limit", "warning", f"the job ends in {wording.spoken(end - now)}, {wording.where(state)}, and {saved}",
        f"Usual step: {wording.spoken(usual)}." if usual is not None else "", now,
        todo="Save a checkpoint now, or have the limit extended.",
    )  # fmt: skip
