"""The diagnosis in words, the answer first, and as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from rli_agent.diagnose.case import Case, Ended
from rli_agent.diagnose.cause import Cause, Consequence, seen
from rli_agent.diagnose.collectives import in_words
from rli_agent.life import wording
from rli_agent.life.deadlines import FLOOR
from rli_agent.life.headline import headline
from rli_agent.life.state import ENDS
from rli_agent.life.wording import clock, spoken
from rli_agent.terminal import cut

#: Lines of a problem's text, and consequences, that are shown.
_LINES, _FOLLOWED = 12, 12
#: Characters of the problem's text in the answer.
_ANSWER = 160
_LINE = 240
_STALLED = "Look at the role that has been silent for longest; `--py-spy PID` of its process shows where it hangs."
_SILENT = (
    "See whether the processes still live. If so, `--py-spy PID` shows where one hangs; if not, the scheduler's log "
    "and `dmesg` of their machines say who ended them."
)
#: Seconds without any line after which a run is silent, not only without progress.
_SILENCE = 120.0


class Diagnosis(Struct):
    """answer: one sentence. life: starting, running, stalled, finished, failed, cancelled, preempted, or suspected,
    where a problem may have ended it and no step came since. seen: problems, where none of them is the cause. roles:
    what each said last."""

    answer: str
    life: str
    cause: Cause | None
    seen: list[Consequence]
    state: list[str]
    roles: list[str]
    memory: list[str]
    ended: list[str]
    todo: str


def diagnosis(case: Case, cause: Cause | None) -> Diagnosis:
    """Put what is known into words."""
    state, now = case.state, case.now
    life = state.life
    if life == "stalled" and now - (state.progress_at or now) < FLOOR:
        life = "running"
    if life not in ENDS and life != "stalled" and cause is not None and cause.grade >= 1:
        life = "suspected"
    if life == "stalled" and cause is not None and cause.grade == 2:
        life = cause.verdict
    if cause is not None and (life == "finished" or (cause.grade < 1 and life != "failed")):
        cause = None
    unexplained = seen(case) if cause is None else []
    said = [cut(line, _LINE) for line in wording.last_words(state, now)]
    ended = [_ended(attempt) for attempt in case.ended[-5:]]
    hidden = f"{case.locked[0]}; " if case.locked and cause is None else ""
    return Diagnosis(
        hidden + _answer(case, cause, unexplained, life),
        life,
        cause,
        unexplained,
        _state(case),
        said,
        _memory(case),
        ended,
        _todo(case, cause, life),
    )


def _answer(case: Case, cause: Cause | None, unexplained: list[Consequence], life: str) -> str:
    state = case.state
    at = wording.where(state)
    if cause is not None and life in ("failed", "cancelled", "preempted", "suspected"):
        word = wording.doubted(cause.verdict) if life == "suspected" else life
        process = f"{cause.who}: " if cause.who != "unknown" else ""
        return f"{word}, {at}: {process}{cut(cause.text, _ANSWER)} ({_place(cause)})"
    silent = f"; nothing was written for {spoken(_silence(case))}" if _silence(case) >= _SILENCE else ""
    if life == "stalled":
        return wording.stalled(state, case.now)[0] + silent
    if life in ENDS:
        said = "" if life == "finished" else "; the logs say no more than that"
        return f"{life}, {at}{said}"
    if silent:
        why = f"the last problem is {_worst(case, unexplained)}" if unexplained else "no problem is in the logs"
        lane = "".join(f", {doing}" for doing in wording.doing(state, case.now)[:1])
        return f"nothing was written for {spoken(_silence(case))}, {at}{lane}; {why}"
    if unexplained:
        return f"{life}, {at}, but: {_worst(case, unexplained)}"
    if case.state.life == "stalled":
        return f"{life}, {at}{_late(case)}"
    return f"nothing is known to be wrong: {life}, {at}"


def _worst(case: Case, unexplained: list[Consequence]) -> str:
    """What is wrong with a run that goes on: NaN before all else, otherwise what was seen last."""
    nans = [problem for problem in case.problems if problem.kind == "nan"]
    steps = sorted({problem.step for problem in nans if problem.step is not None})
    if not nans:
        last = unexplained[-1]
        return f"{last.who}: {cut(last.text, _ANSWER)} ({last.file}:{last.line})"
    when, told = "", nans[-1]
    if steps:
        step, word = steps[-1], "at"
        if step == case.state.step:
            word = "since"
            stride = max(1, case.state.stride)
            while step - stride in steps:
                step -= stride
        when = f" {word} step {step}"
        told = next(problem for problem in nans if problem.step == step)
    return f"NaN{when}: {cut(headline(told.message), _ANSWER)} ({told.file}:{told.line})"


def _late(case: Case) -> str:
    """How long ago its last step was: others write, but a step is overdue, or its log was copied from elsewhere."""
    return f"; the last step is logged {spoken(case.now - case.state.step_at)} ago" if case.state.step_at else ""


def _silence(case: Case) -> float:
    """Seconds since anything was written."""
    return case.now - max((said.wrote for said in case.state.roles.values()), default=case.now)


def _place(cause: Cause) -> str:
    problem = cause.problem
    when = f", {clock(problem.time)}" if problem.time is not None and problem.time_is == "logged" else ""
    return f"{wording.place(problem.file, problem.line)}{when}"


def _state(case: Case) -> list[str]:
    state = case.state
    said = []
    usual = state.usual_step()
    if state.step_at is not None:
        often = f", usually every {spoken(usual)}" if usual is not None else ""
        said.append(f"last step {spoken(case.now - state.step_at)} ago{often}")
    said += case.doing if state.life in ENDS else wording.doing(state, case.now)
    if state.ckpt_at is not None:
        step = f" of step {state.ckpt_step}" if state.ckpt_step is not None else ""
        said.append(f"last checkpoint{step} {spoken(case.now - state.ckpt_at)} ago")
    return said


def _memory(case: Case) -> list[str]:
    if case.state.suspect is None or case.state.suspect.kind not in ("cuda_oom", "oom_kill"):
        return []
    return [
        f"{name}: "
        + ", ".join(f"{value:.4g}" + (f" (step {step})" if step is not None else "") for step, value in known)
        for name, known in sorted(case.memory.items())
        if known
    ]


def _ended(attempt: Ended) -> str:
    step = f" after step {attempt.last_step}" if attempt.last_step is not None else ""
    why = wording.cause_line(attempt.cause) if attempt.cause is not None else "no problem was seen before"
    return f"attempt {attempt.number} ended{step}: {why}"


def _todo(case: Case, cause: Cause | None, life: str) -> str:
    if cause is not None:
        return cause.todo
    if life != "stalled":
        return ""
    return _SILENT if _silence(case) >= _SILENCE else _STALLED


def as_text(d: Diagnosis) -> str:
    """For people. The first line is the answer."""
    lines = [d.answer]
    if d.cause is not None:
        lines += ["", *(["A problem before it:"] if d.life == "stalled" else [])]
        lines += [f"  {line}" for line in _quoted(d.cause)]
        lines += [f"- {line}" for line in d.cause.evidence]
    lines += _part("Memory before", d.memory)
    if d.cause is not None and d.cause.followed:
        shown = d.cause.followed[:_FOLLOWED]
        more = len(d.cause.followed) - len(shown)
        lines += _part("What followed", [_followed(c) for c in shown] + ([f"{more} more kinds"] if more else []))
    lines += _part("Problems seen", [_followed(c) for c in d.seen[-_FOLLOWED:]])
    if d.life != "finished":
        lines += _part("State then", d.state)
        lines += _part("Last said", d.roles)
    lines += _part("Before", d.ended)
    lines += ["", f"Do: {d.todo}"] if d.todo else []
    return "\n".join(lines)


def _part(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _quoted(cause: Cause) -> list[str]:
    """The problem's own words: of a long one its beginning, and the line that tells most."""
    lines = [line[:300] for line in cause.problem.message.split("\n") if line.strip()]
    if len(lines) <= _LINES:
        return lines
    most = headline(cause.problem.message)
    shown = [*lines[: _LINES // 2], f"[{len(lines) - _LINES} lines left out]", *lines[-_LINES // 2 :]]
    return shown if any(most in line for line in shown) else [*shown, most]


def _followed(c: Consequence) -> str:
    after = f"+{spoken(c.after)} " if c.after is not None else ""
    times = f" ({c.count} times)" if c.count > 1 else ""
    ranks = f" on {in_words(c.ranks)}" if len(c.ranks) > 1 else ""
    return f"{after}{c.who}: {c.kind}: {c.text[:200]}{ranks}{times} ({wording.place(c.file, c.line)})"


def as_data(d: Diagnosis) -> dict[str, Any]:
    """For programs."""
    data: dict[str, Any] = {"answer": d.answer, "life": d.life, "cause": None}
    if d.cause is not None:
        problem = d.cause.problem
        data["cause"] = {
            "kind": problem.kind,
            "who": d.cause.who,
            "text": d.cause.text,
            "file": problem.file,
            "line": problem.line,
            "time": problem.time,
            "time_is": problem.time_is,
            "step": problem.step,
            "rank": dict(problem.labels).get("rank"),
            "evidence": d.cause.evidence,
            "message": problem.message,
        }
        data["followed"] = [_data(c) for c in d.cause.followed]
    return data | {
        "problems_seen": [_data(c) for c in d.seen],
        "state": d.state, "last_said": d.roles, "memory": d.memory, "attempts_before": d.ended, "do": d.todo,
    }  # fmt: skip


def _data(c: Consequence) -> dict[str, Any]:
    return {
        "after_s": c.after, "kind": c.kind, "who": c.who, "text": c.text, "count": c.count, "ranks": sorted(c.ranks),
        "file": c.file, "line": c.line,
    }  # fmt: skip
