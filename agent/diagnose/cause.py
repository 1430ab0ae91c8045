"""Which problem was the first, and which follow from it."""

from __future__ import annotations

import re

from msgspec import Struct

from rli_agent.diagnose import collectives, quotes
from rli_agent.diagnose.case import Case
from rli_agent.events import Problem
from rli_agent.life.evidence import evidence, in_short
from rli_agent.life.headline import headline
from rli_agent.life.problems import advice, suspect_of
from rli_agent.life.state import ENDS, Suspect

#: What made ranks time out may have happened so many seconds before they began to wait.
_BEFORE = 120.0
#: Operations of one group that ranks can be at when one of them is late; another run's count is another.
_NEAR = 100
#: Ray's words for the process that died.
_DEAD = re.compile(r"\b(?:Worker PID|pid): (\d+)")
_DIGITS = re.compile(r"0x[0-9a-f]+|\d+")


class Consequence(Struct):
    """Problems of one kind and wording that came after the cause, from one role. after: seconds from the cause to the
    first of them, None where the times are not known. ranks: of those that say theirs."""

    after: float | None
    kind: str
    who: str
    text: str
    file: str
    line: int
    count: int = 1
    ranks: set[int] = set()


class Cause(Struct):
    """What came first. who: the process as far as it is known. text: the problem in one line. evidence: what its text
    tells beyond that. verdict: what it made of the run."""

    problem: Problem
    verdict: str
    grade: int
    who: str
    text: str
    evidence: list[str]
    todo: str
    followed: list[Consequence] = []


def cause_of(case: Case) -> Cause | None:
    """The cause of what the run's life says is wrong with it now; None where no problem tells of one."""
    suspect = case.state.suspect
    if suspect is None:
        return None
    first = _problem_of(case, suspect)
    after = [p for p in case.problems if p is not first and _later(p, first) and _counts(case, p)]
    words = _last_words(case, first, after)
    if words is not None:
        after = [first, *(p for p in after if p is not words)]
        first = words
    waiting = None
    if first.kind == "nccl":
        waiting = collectives.judge(_timeouts(case, first, after), _ranks(case))
    verdict, told = suspect.verdict, evidence(first.kind, first.message)
    text = in_short(first.kind, first.message)
    if waiting is not None:
        earlier = _before(case, first, waiting.ran)
        told = _of_waiting(waiting)
        if earlier is None:
            text = _who_waited(waiting)
        else:  # they waited for whoever died of this
            after = [first, *after]
            first = earlier
            new = suspect_of(first, case.role(first), case.grade(first) or 0, first.time or 0.0)
            own = evidence(first.kind, first.message)
            verdict, text, told = new.verdict, in_short(first.kind, first.message), [*own, *told]
    waited = waiting is not None and first.kind == "nccl"
    process = case.role(first) if waited else who(case, first)  # of those that waited any may have written first
    passing = suspect.lived and first.line == suspect.line and case.state.life not in ENDS
    grade = 0 if passing else case.grade(first) or suspect.grade
    cause = Cause(first, verdict, grade, process, text, told, advice(first.kind, case.state.step))
    cause.followed = _folded(case, first, after)
    return cause


def _last_words(case: Case, death: Problem, after: list[Problem]) -> Problem | None:
    """What a dead process wrote itself, which Ray may print behind the news of its death."""
    pid = _DEAD.search(death.message) if death.kind == "worker_death" else None
    if pid is None:
        return None
    own = (p for p in after if p.kind != "worker_death" and (case.grade(p) or 0) >= 1)
    return next((p for p in own if quotes.origin(case.root, p).pid == pid[1]), None)


def _timeouts(case: Case, first: Problem, after: list[Problem]) -> list[collectives.Timeout]:
    """The timeouts of the first problem's file, and of other files those near them: each rank may have its own."""
    found: list[collectives.Timeout] = []
    files: set[str] = set()
    for problem in [first, *after]:
        if problem.kind != "nccl" or problem.file in files:
            continue
        files.add(problem.file)
        text = quotes.text_from(case.root, problem)
        told = collectives.timeouts_in(text) or collectives.timeouts_in(problem.message)  # the file may be another now
        found += [t for t in told if not found or abs(t.number - found[0].number) <= _NEAR]
    return found


def who(case: Case, problem: Problem) -> str:
    """The process that wrote of a problem, as far as it is known."""
    role = case.role(problem)
    parts = [role] if role not in ("unknown", "") else []
    origin = quotes.origin(case.root, problem)
    if origin.actor:
        parts.append(f"{origin.actor} (pid {origin.pid})" if origin.pid else origin.actor)
    rank = dict(problem.labels).get("rank") or origin.rank
    if rank:
        parts.append(f"rank {rank}")
    if origin.ip:
        parts.append(f"on {origin.ip}")
    return " ".join(parts) or (problem.file if problem.line else "unknown")


def _problem_of(case: Case, suspect: Suspect) -> Problem:
    """The event of which only what matters to the run's life was remembered."""
    for problem in case.problems:
        if (problem.file, problem.line) == (suspect.file, suspect.line):
            return problem
    return Problem(
        suspect.file, suspect.line, 0, suspect.time, "logged" if suspect.logged else "estimated", "ERROR", suspect.kind,
        suspect.message, step=suspect.step,
    )  # fmt: skip


def _later(problem: Problem, first: Problem) -> bool:
    if problem.file == first.file:
        return problem.line > first.line
    return problem.time is None or first.time is None or problem.time >= first.time


def _counts(case: Case, problem: Problem) -> bool:
    return problem.level in ("ERROR", "CRITICAL") or case.grade(problem) is not None


def _before(case: Case, timeout: Problem, ran: float) -> Problem | None:
    """A problem that ends processes, from when the ranks began to wait for somebody, or shortly before."""
    if timeout.time is None or timeout.time_is != "logged":
        return None
    began = timeout.time - ran - _BEFORE
    if case.state.leader_time is not None:
        began = max(began, case.state.leader_time)
    for problem in case.problems:
        if problem.time is None or problem.time_is != "logged" or problem.kind == "nccl":
            continue
        if began <= problem.time < timeout.time and (case.grade(problem) or 0) >= 1:
            return problem
    return None


def _ranks(case: Case) -> int | None:
    """How many ranks there are at least."""
    known = [int(rank) for p in case.problems if (rank := dict(p.labels).get("rank", "")).isdigit()]
    return max(known) + 1 if known else None


def _who_waited(waiting: collectives.Waiting) -> str:
    minutes = f"{waiting.ran / 60:.0f} min" if waiting.ran >= 90 else f"{waiting.ran:.0f} s"
    waited = collectives.in_words(waiting.waited)
    what = f"{waiting.op} number {waiting.number}"
    if waiting.behind:
        return f"{collectives.in_words(waiting.behind)} not at {what}, in which {waited} waited {minutes}"
    if waiting.missing:
        return f"{collectives.in_words(waiting.missing)} did not come to {what}: {waited} waited {minutes}"
    return f"{waited} all waited {minutes} in {what}: the network between them, or a rank that is not in these logs"


def _of_waiting(waiting: collectives.Waiting) -> list[str]:
    told = [f"{collectives.in_words(waiting.waited)} printed a timeout of {waiting.op} number {waiting.number}"]
    if waiting.missing:
        told.append(f"{collectives.in_words(waiting.missing)} printed none")
    if waiting.behind:
        told.append(f"{collectives.in_words(waiting.behind)} timed out at another operation")
    return told


def seen(case: Case) -> list[Consequence]:
    """All problems, alike ones as one, where none of them is the cause of anything."""
    return _folded(case, None, [p for p in case.problems if _counts(case, p)])


def _folded(case: Case, first: Problem | None, after: list[Problem]) -> list[Consequence]:
    """Problems, alike ones as one, in the order of time."""
    found: dict[tuple[str, str, str], Consequence] = {}
    for problem in after:
        role, text = case.role(problem), headline(problem.message)
        key = (problem.kind, role, _DIGITS.sub("0", text)[:120])
        known = found.get(key)
        rank = dict(problem.labels).get("rank", "")
        if known is None:
            passed = None
            if first is not None and first.time_is == problem.time_is == "logged":
                passed = (problem.time or 0.0) - (first.time or 0.0)
            known = Consequence(passed, problem.kind, who(case, problem), text, problem.file, problem.line, 0, set())
            found[key] = known
        known.count += problem.count
        if rank.isdigit():
            known.ranks.add(int(rank))
    return list(found.values())
