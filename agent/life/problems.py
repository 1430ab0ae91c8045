"""Which problem ended a run: how deadly a kind is, and what it makes of the run's life."""

from __future__ import annotations

import re

from rli_agent.events import Problem
from rli_agent.life.headline import headline
from rli_agent.life.signs import when
from rli_agent.life.state import LifeState, Suspect

#: Kinds after which a process is gone, and those that may be caught.
DEADLY = frozenset({"cuda_oom", "nccl", "oom_kill", "worker_death", "hardware", "job_preempted"})
MAYBE = frozenset({"traceback"})
#: What the interpreter prints on its way out, whatever the exception: a program that catches one says so first.
_UNCAUGHT = re.compile(r"\s*Traceback \(most recent call last\)")
#: Kinds that say nothing about the life of the run.
_PASSING = frozenset({"env_error", "nan", "kv_preemption"})
#: Roles whose processes come and go.
_REPLACED = frozenset({"env", "rollouts"})
#: A worse problem this much later is another incident.
_APART = 120.0
#: What is told within so many seconds happened at once: of that the hard causes are the cause, and the symptoms follow,
#: in whatever order the processes came to write of it.
_AT_ONCE = 5.0
_HARD = frozenset({"hardware", "oom_kill", "cuda_oom", "disk_full"})
_SYMPTOMS = frozenset({"worker_death", "nccl", "timeout"})
_BOUND, _LINE = 4000, 500
#: Of an error's first words so many say which one it is; what it says of texts and items comes later.
_SAME = 40
#: Errors that are told apart; the state is stored with every commit.
_SHAPES = 64
_DIGITS = re.compile(r"\d+")

#: Frames and words of an evaluation. torch's eval_frame.py is none.
_EVALUATION = re.compile(r"\bin _?(?:run_|do_)?(?:eval(?!_frame)|validate\b)|\b[Ee]val(?:uat\w+|s)?\b|\beval\w*[./]")

_LIMIT = re.compile(r"DUE TO TIME LIMIT|job is timed-out")
_PREEMPTED = re.compile(r"DUE TO (?:PREEMPTION|JOB REQUEUE)|is preempted|[Pp]reempted by|TaintManagerEviction")
#: A job that is cancelled for no reason may be so because a step of it failed.
_REASON = re.compile(f"{_LIMIT.pattern}|{_PREEMPTED.pattern}")
#: A launcher passes on that it was told to end, often because a process beside it died.
_TOLD_TO_END = re.compile(r"death signal, shutting down|got signal: 15")
_NODE = re.compile(r"DUE TO NODE FAILURE|Node failure on")


def grade(problem: Problem, role: str) -> int | None:
    """2: ends a process; 1: may; 0: need not; None: says nothing about the run's life."""
    if problem.kind == "job_preempted" or _says(_LIMIT, problem.message):
        return 2
    if problem.level not in ("ERROR", "CRITICAL") or role in _REPLACED:
        return None
    if problem.kind in _PASSING:
        return 1 if problem.kind == "nan" and "Error: " in problem.message else None
    if problem.kind in DEADLY:
        return 2
    return 1 if problem.kind in MAYBE or _UNCAUGHT.match(problem.message) else 0


def _says(pattern: re.Pattern[str], message: str) -> bool:
    """Whether a scheduler's words stand in a message: most hold none, which shows at once."""
    near = "DUE TO " in message or "job is timed-out" in message or "reempted" in message or "TaintManager" in message
    return near and pattern.search(message) is not None


def was_caught(suspect: Suspect, file: str, line: int, role: str) -> bool:
    """Whether what a role writes on this line says that it lived through the problem: a traceback of an evaluation
    need not end the training. Of others nothing is concluded: who dies may save a checkpoint first."""
    later = suspect.grade == 1 and file == suspect.file and line > suspect.line and role == suspect.role
    return later and _EVALUATION.search(suspect.message) is not None


def verdict(problem: Problem) -> str:
    """What the run is, should this have ended it."""
    if _says(_LIMIT, problem.message):
        return "cancelled"
    if problem.kind == "job_preempted" and not _NODE.search(problem.message):
        return "preempted" if _PREEMPTED.search(problem.message) else "cancelled"
    stopped = "KeyboardInterrupt" in problem.message and headline(problem.message).startswith("KeyboardInterrupt")
    return "cancelled" if stopped else "failed"


def suspect_of(problem: Problem, role: str, how_deadly: int, seen: float) -> Suspect:
    """The problem as what may have ended the run."""
    return Suspect(
        seen, when(problem, seen), problem.time_is == "logged", problem.file, problem.line, role, problem.kind,
        how_deadly, _bounded(problem.message), problem.step, verdict(problem), critical=problem.level == "CRITICAL",
    )  # fmt: skip


def _bounded(message: str) -> str:
    """A traceback's head and its end, which names the exception; its long lines (overrides, arguments) cut."""
    if len(message) <= _BOUND:
        return message
    text, half = "\n".join(line[:_LINE] for line in message.split("\n")), _BOUND // 2
    return text if len(text) <= _BOUND else f"{text[:half]}\n…\n{text[-half:]}"


def is_cause(suspect: Suspect | None) -> bool:
    """Whether it surely ended a process, and is none of what befalls all nodes once one of them is gone."""
    return suspect is not None and suspect.grade == 2 and suspect.kind not in _SYMPTOMS


def shape_of(problem: Problem, role: str) -> str:
    """What alike errors of a role have in common: a loop prints the same one with other figures and texts."""
    return f"{role}\0{problem.kind}\0{_DIGITS.sub('0', headline(problem.message))[:_SAME]}"


def outlive(state: LifeState, problem: Problem | None = None, role: str = "") -> None:
    """A step was done: what was told since the one before it, or this problem, did not end the run."""
    if problem is None and not state.errors:
        return
    shapes = state.errors if problem is None else [shape_of(problem, role)]
    new = [shape for shape in dict.fromkeys(shapes) if shape not in state.outlived]
    state.outlived += new[: _SHAPES - len(state.outlived)]
    if problem is None:
        state.errors.clear()


def _lived_through(state: LifeState, problem: Problem, role: str) -> bool:
    """Whether the run has gone on after one like it."""
    shape = shape_of(problem, role)
    if shape not in state.errors and len(state.errors) < _SHAPES:
        state.errors.append(shape)
    return shape in state.outlived


def weigh(state: LifeState, problem: Problem, role: str, seen: float) -> None:
    """Take in a problem: the first in time is the suspect, what follows is counted with it."""
    how_deadly = grade(problem, role)
    if how_deadly is None:
        return
    lived = how_deadly < 2 and _lived_through(state, problem, role)
    new = suspect_of(problem, role, 0 if lived else how_deadly, seen)
    new.lived = lived
    old = state.suspect
    outlived = old is not None and old.lived and not new.lived
    if old is None or outlived or (new.grade > old.grade and new.seen - old.seen > _APART):
        state.suspect = new
        return
    first, later = old, new
    told_before = new.logged and old.logged and new.time < old.time
    if (told_before or _explains(new, old)) and (old.lived or not new.lived):
        first, later = new, old
        first.consequences = dict(old.consequences)
    if _says(_REASON, later.message) and first.verdict == "failed" and later.time - first.time < 60.0:
        first.verdict = later.verdict  # what the scheduler ends fails in many ways while it ends
    first.grade = max(first.grade, later.grade)
    first.seen = max(first.seen, later.seen) if later.grade == 2 else first.seen
    first.consequences[later.kind] = first.consequences.get(later.kind, 0) + 1
    state.suspect = first


def _explains(new: Suspect, old: Suspect) -> bool:
    """Whether the problem that was read second is what the first follows from."""
    if abs(new.time - old.time) > _AT_ONCE:
        return False
    if old.kind in _SYMPTOMS or _TOLD_TO_END.search(old.message):
        return new.kind in _HARD
    # Of GPU errors the fatal one: others (Xid 45, 43) are the driver's cleaning up after it.
    return new.critical and old.kind == new.kind == "hardware" and not old.critical


#: What to do where the cause's kind gives no better advice.
_ADVISED = "Look at the first problem, then resume from the last checkpoint."
#: What to do first, by kind of the cause.
_ADVICE = {
    "cuda_oom": "Lower the micro-batch or the sequence length of the step that ran out of memory, or give the engine "
    "a smaller share of it; resume from the last checkpoint.",
    "nccl": "Look at the rank that did not print a timeout, and at its node; resume from the last checkpoint.",
    "oom_kill": "The host ran out of memory: look at its use before the kill, at /dev/shm and at the data loaders.",
    "hardware": "Take the node out of service, then resume on another one.",
    "worker_death": "Look at the log of the process that died first; where it says nothing, ask the kernel whether it "
    "killed it for memory: dmesg -T | grep -i 'killed process'",
    "disk_full": "Make room, then resume from the last checkpoint.",
    "job_preempted": "Requeue the job; it resumes from the last checkpoint.",
}


def advice(kind: str, step: int | None) -> str:
    """What to do about a cause of this kind, at a step or before the first."""
    todo = _ADVICE.get(kind, _ADVISED)
    return todo if step is not None else todo.replace("resume from the last checkpoint", "start it again")
