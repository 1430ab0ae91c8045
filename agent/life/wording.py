"""The life of a run in words: titles that answer, texts that give the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from statistics import median

from rli_agent.events import Event, Interval, Problem, RolloutBatch, Samples
from rli_agent.life.evidence import in_short
from rli_agent.life.headline import headline
from rli_agent.life.state import LifeState, Suspect
from rli_agent.terminal import many


def clock(time: float) -> str:
    """A moment as people compare it across machines."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def spoken(seconds: float) -> str:
    """A duration as one says it: 0.8 s, 42 s, 6 min, 3 h 5 min, 2 d 4 h."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def in_words(event: Event) -> str:
    """The event in one line."""
    if isinstance(event, Samples):
        named = list(zip(event.shape.names, event.values, strict=False))[:3]
        figures = ", ".join(f"{n} {v:.4g}" for n, v in named)
        return (f"step {event.step}: " if event.step is not None else "") + figures
    if isinstance(event, Interval):
        step = f" of step {event.step}" if event.step is not None else ""
        return f"{event.lane} {'begins' if event.end is None else 'ended'} {event.state}{step}"
    if isinstance(event, Problem):
        return f"{event.level} {event.kind}: {headline(event.message)}"
    if isinstance(event, RolloutBatch):
        of = f" of {event.environment}" if event.environment else ""
        return f"{event.count} {event.phase} rollouts{of}" + (
            f" for step {event.step}" if event.step is not None else ""
        )
    return f"{event.key} {event.value}"


def where(state: LifeState) -> str:
    """The step, as part of a sentence."""
    if state.step is None or state.step_at is None:
        if (drawn := by_its_bar(state.facts)) is not None:
            return f"at {drawn}"
        begun = state.ended_in or begun_step(state)
        if begun is None and state.attempt.resumed_from is not None:
            return f"before the first step since it resumed from step {state.attempt.resumed_from}"
        return f"in step {begun}" if begun else "before the first step"
    whole = state.max_steps
    return f"at step {state.step}" + (f" of {whole}" if whole is not None else "")


def by_its_bar(facts: Mapping[str, str]) -> str | None:
    """The step of a run that tells of none, where its bar shows it."""
    done, whole = facts.get("progress", "0"), facts.get("max_steps")
    return f"step {done}" + (f" of {whole}" if whole else "") + " by its bar" if done != "0" else None


def begun_step(state: LifeState) -> int | None:
    """The step whose states are open."""
    return max((open.step or 0 for open in state.open.values()), default=0) or None


def short_of(state: LifeState) -> bool:
    """Whether steps are left that the run was to make: verl says the same when it completes and when it is
    interrupted (`[ASYNC MAIN] Training completed or interrupted`, 0.6)."""
    whole, step = state.max_steps, state.step
    return whole is not None and step is not None and step < whole - 1


def doing(state: LifeState, now: float) -> list[str]:
    """What each lane is in (of several states that which began last), the trainer first, then what lasts longest."""
    inner = {o.lane: o for o in sorted(state.open.values(), key=lambda o: o.since)}
    lanes = sorted(inner.values(), key=lambda o: (o.lane != "trainer", o.since))
    said = []
    for lane in lanes[:6]:
        known = state.usual.get(f"{lane.lane}\0{lane.state}")
        usually = f" (usually {spoken(median(known))})" if known else ""
        said.append(f"{lane.lane} in {lane.state} for {spoken(now - lane.since)}{usually}")
    return said


def last_words(state: LifeState, now: float) -> list[str]:
    """What every role said last, the one silent for longest first."""
    said = sorted(state.roles.items(), key=lambda item: item[1].wrote)
    lines = []
    for role, last in said[:8]:
        text = f"{role}: {spoken(now - last.time)} ago: {last.text}" if last.text else f"{role}: nothing of note"
        if last.writes(now) and now - last.time >= 300.0:
            text += "; still writes, but nothing of note"
        lines.append(text[:400])
    return lines


def ends_in_silence(state: LifeState) -> bool:
    """Whether the run may be over and have said nothing: that of a trainer whose last words nobody knows, or that has
    none (OpenRLHF 0.10, slime 0.3), and whose number of steps is not known."""
    return state.max_steps is None and state.facts.get("framework") in (None, "", "openrlhf", "slime")


def stalled(state: LifeState, now: float) -> tuple[str, str]:
    """Title and text of a stall."""
    silent = spoken(now - (state.progress_at or now))
    writing = any(said.writes(now) for said in state.roles.values())
    word = "stalled or over" if ends_in_silence(state) else "stalled"
    alive = f"alive without progress for {silent}" if writing else f"{word}: no progress for {silent}"
    parts = [f"{alive}, {where(state)}"]
    lanes = doing(state, now)
    if lanes:
        parts.append(lanes[0])
    if state.engine_idle and writing:
        parts.append(state.engine_idle)
    lines = []
    usual = state.usual_step()
    if state.step_at is not None:
        often = f", usually every {spoken(usual)}" if usual is not None else ""
        lines.append(f"Last step {spoken(now - state.step_at)} ago{often}.")
    if lanes:
        lines.append("States: " + "; ".join(lanes) + ".")
    lines += ["Last said:", *(f"  {line}" for line in last_words(state, now))]
    if state.suspect is not None:
        lines.append("A problem before it: " + cause_line(state.suspect))
    return ", ".join(parts), "\n".join(lines)


def doubted(verdict: str) -> str:
    """What became of a run that a problem may have ended."""
    return "may have failed" if verdict == "failed" else f"may have been {verdict}"


def cause_line(suspect: Suspect) -> str:
    """The cause in one line, with its place."""
    return f"{short(suspect)} ({place(suspect.file, suspect.line)}, {clock(suspect.time)})"


def place(file: str, line: int) -> str:
    """Where something stands. How a command that `exec` started ended is in no file: the agent saw it."""
    return f"{file}:{line}" if line else "seen by the agent"


def short(suspect: Suspect) -> str:
    """The cause in a few words."""
    return in_short(suspect.kind, suspect.message)[:160]


def ended(state: LifeState, word: str, now: float) -> tuple[str, str]:
    """Title and text of a run that failed, was cancelled or preempted."""
    suspect = state.suspect
    title = f"{word} {where(state)}"
    if suspect is None:
        lines = ["The run said so; no problem was seen before."]
    else:
        title += f": {short(suspect)}"
        stands = place(suspect.file, suspect.line)
        lines = [f"First problem: {suspect.kind}, {suspect.role}, {stands}, {clock(suspect.time)}"]
        lines += [f"  {line}" for line in suspect.message.split("\n")[:12]]
        lines.append(counted(suspect.consequences))
    if state.ckpt_at is not None:
        step = f" of step {state.ckpt_step}" if state.ckpt_step is not None else ""
        lines.append(f"Last checkpoint{step}: {spoken(now - state.ckpt_at)} ago.")
    lines += ["Last said:", *(f"  {line}" for line in last_words(state, now))]
    return title[:400], "\n".join(line for line in lines if line)


def counted(kinds: Mapping[str, int]) -> str:
    """The consequences, as a sentence."""
    whole = sum(kinds.values())
    if not whole:
        return ""
    each = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=lambda item: -item[1]))
    return f"{many(whole, 'more problem')} followed: {each}."


def lost(state: LifeState, before: int, resumed: int, at: float) -> tuple[str, str]:
    """What it costs to go on behind step `resumed` where `before` was done: the end of the title, and the text."""
    usual = state.usual_step()
    lines = []
    again = before - resumed
    if again > 0:
        work = f", about {spoken(again * usual)} of work" if usual is not None else ""
        steps = f"step {before} is" if again == 1 else f"steps {resumed + 1} to {before} are"
        title = f": {steps} done again{work}"
    else:
        title = ": no step is lost"
    if state.lost_at is not None and at - state.lost_at >= 60.0:
        lines.append(f"Nothing moved for {spoken(at - state.lost_at)}.")
    return title, "\n".join([f"Last step before: {before}.", *lines])
