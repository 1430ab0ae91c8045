"""Which lines are one problem: incidents are opened, read on, refined by what their lines tell, told when over."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from rli_agent.events import Labels, Level, Problem, Source, TimeIs
from rli_agent.parsers.compiled import CompiledRule, RuleSet, found_in
from rli_agent.parsers.headers import read_header
from rli_agent.parsers.incidents import Incident
from rli_agent.parsers.wrappers import Origin

#: A consequence belongs to a problem that stands at most so many lines before it.
NEAR = 40
#: So many writers may be in the middle of an incident at once.
MAX_INCIDENTS = 256
#: Kinds that a more telling line of the same incident replaces.
VAGUE = frozenset({"traceback", "other"})
#: Levels of lines that tell of no problem unless a rule says so.
QUIET = frozenset({"DEBUG", "INFO", "SUCCESS"})
#: Kinds that count even where the line that tells of them calls itself information.
_GRAVE = frozenset({"cuda_oom", "oom_kill", "nccl", "hardware"})
#: Of a line so many bytes are compared with an incident's `block`.
_BLOCK_LINE = 2_000
#: Bytes in which the next line of a writer with an incident is looked for at once.
LOOK_AHEAD = 16_384


class ProblemState(Struct):
    """What must be remembered of problems between two lines.

    incidents: those being read, by writer. told: each writer's last exception. last_line: where the last problem stands
    that can have consequences.
    """

    incidents: dict[str, Incident] = {}
    told: dict[str, str] = {}
    last_line: int = -NEAR - 1


class At(Struct):
    """Where and when the line stands that is being read."""

    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    origin: Origin
    level: str | None


class ProblemReader:
    """Reads the problems of one source. `tell` is given each one when its last line has been read."""

    def __init__(self, source: Source, rules: RuleSet, state: ProblemState, tell: Callable[[Problem], None]) -> None:
        self.source = source
        self.rules = rules
        self.state = state
        self._tell = tell

    def flush(self) -> None:
        """No more lines for now: tell all."""
        for incident in list(self.state.incidents.values()):
            self._close(incident)

    def follows(self, line: int) -> bool:
        """Whether a problem that can have consequences stands shortly before a line."""
        return line - self.state.last_line <= NEAR

    def waits_for(self, who: str) -> bool:
        """A line of this writer stands here: others' incidents have waited one line more. Whether it has one itself."""
        for other in list(self.state.incidents.values()):
            if other.who != who and other.passed(own=False):
                self._close(other)
        return who in self.state.incidents

    def next_concerned(self, data: bytes, at: int, before: int) -> int:
        """Where the first line begins, from `at` on and at most at `before`, that may be of a writer with an incident.

        Looks a little way ahead only: not to find one says nothing about what stands behind the place it gives.
        """
        end = min(at + LOOK_AHEAD, before, len(data))
        for incident in self.state.incidents.values():
            if not incident.mark:
                return at  # who has no wrapper may have written any line
            found = data.find(incident.mark, at, end)
            if found >= 0:
                end = found
        return max(data.rfind(b"\n", at, end) + 1, at)

    def named(self, raw: bytes) -> bool:
        """Whether a line may be of a writer with an incident, by what stands before the lines of each."""
        return any(i.mark and raw.find(i.mark) >= 0 for i in self.state.incidents.values())

    def pass_by(self, lines: int) -> None:
        """So many lines of others stand here."""
        for incident in list(self.state.incidents.values()):
            if incident.passed(own=False, lines=lines):
                self._close(incident)

    def plainly_over(self, raw: bytes) -> bool:
        """A line without wrapper that goes on with nothing stands here. False where that takes a closer look."""
        incident = self.state.incidents.get("")
        if incident is not None and (not incident.outside or _may_be_of(incident.block, raw)):
            return False
        if self.waits_for("") and incident is not None:
            self._close(incident)
        return True

    def continues(
        self, who: str, message: str, level: str | None, stamped: bool, line: int, *, candidate: bool
    ) -> bool:  # fmt: skip
        """Whether a line of a writer for whom `waits_for` holds belongs to its incident, which may be over with it.
        `candidate`: a rule may want the line."""
        incident = self.state.incidents[who]
        verdict = incident.follows(message, level, stamped)
        told_of = level not in QUIET and incident.outside and incident.block is not None
        in_block = told_of and found_in(incident.block or "", message[:_BLOCK_LINE])
        if verdict == "mine" or in_block:
            incident.keep(message, line)
            if incident.kind == "other" and not incident.outside:
                incident.kind = "traceback"  # also where its last line, the exception, never comes
            if incident.caused:
                self._refine(incident, message.lstrip(" |"))
            elif in_block and not (incident.after and incident.consequence):
                self._refine(incident, message)
            return True
        if candidate and incident.grave and self._is_consequence(message, level):
            incident.keep(message, line)
            return True
        if verdict == "over" or incident.passed(own=True):
            self._close(incident)
        return False

    def open(
        self, at: At, message: str, kind: str, level: Level, compiled: CompiledRule | None, repeated: int
    ) -> Incident:
        """A problem begins at this line; the writer's problem that was being read is over."""
        state, who = self.state, at.origin.who
        if who in state.incidents:
            self._close(state.incidents[who])
        elif len(state.incidents) >= MAX_INCIDENTS:
            self._close(next(iter(state.incidents.values())))
        rule = compiled.rule if compiled is not None else None
        incident = Incident(
            who, at.line, at.offset, at.time, at.time_is, level, kind, compiled.id if compiled else None, None,
            repeated, at.level, rule.block if rule else None, at.origin.rank,
            kind in VAGUE or at.level is not None, self.follows(at.line),
            muted=rule is not None and rule.ignore, mark=_mark(at.origin),
        )  # fmt: skip
        incident.open(message)
        incident.keep(message, at.line)
        state.incidents[who] = incident
        self._remember(incident, at.line)
        return incident

    def _remember(self, incident: Incident, line: int) -> None:
        """A problem that can have consequences stands here."""
        if incident.grave and not incident.muted:
            self.state.last_line = max(self.state.last_line, line)

    def _close(self, incident: Incident) -> None:
        del self.state.incidents[incident.who]
        if incident.muted or incident.harmless:
            return
        self._remember(incident, incident.last_line)
        if self._told_before(incident):
            return
        if incident.consequence and incident.after and incident.kind in VAGUE:
            return
        if self.source.role == "env" and incident.kind in VAGUE:
            incident.kind = "env_error"
        labels = self.rules.labels if incident.rank is None else _ranked(self.rules.labels, incident.rank)
        self._tell(
            Problem(
                self.source.file, incident.line, incident.offset, incident.time, incident.time_is, incident.level,
                incident.kind, incident.message, incident.count, incident.step, incident.rule, labels,
            )
        )  # fmt: skip

    def _told_before(self, incident: Incident) -> bool:
        """Whether a named writer's exception is the one that it told of just before.

        vLLM's engine logs what it then dies of.
        """
        told = self.state.told
        if not incident.who or not incident.exception:
            return False
        before = told.pop(incident.who, None)
        told[incident.who] = incident.exception
        if len(told) > MAX_INCIDENTS:
            del told[next(iter(told))]
        return incident.after and before == incident.exception

    def _refine(self, incident: Incident, text: str) -> None:
        """A line inside an incident that tells more than its headline gives the kind: an exception, one of its block.

        The first that tells a kind wins: of chained exceptions the first is the root.
        """
        incident.harmless = False
        if incident.kind not in VAGUE:
            return
        compiled = self._problem_rule(text)
        problem = compiled.rule.problem if compiled is not None else None
        if compiled is not None and problem is not None:
            incident.harmless = compiled.rule.ignore
            incident.consequence = compiled.rule.consequence
            incident.block = compiled.rule.block or incident.block
            if problem.kind not in VAGUE and not compiled.rule.ignore and not (incident.after and incident.consequence):
                incident.kind, incident.rule = problem.kind, compiled.id
                incident.level = problem_level(problem.level, None)
                incident.muted = incident.muted and problem.kind not in _GRAVE
        if incident.kind == "other" and incident.caused:
            incident.kind = "traceback"
        if incident.kind in VAGUE and incident.level == "WARNING":
            incident.level = "ERROR"

    def _problem_rule(self, text: str) -> CompiledRule | None:
        """The first problem rule that matches, whatever level it asks for."""
        rules = self.rules.rules_for(self.rules.scanner.found(text.encode()))
        return next((c for c in rules if c.rule.problem is not None and not c.off and c.search(text) is not None), None)

    def _is_consequence(self, message: str, level: str | None) -> bool:
        """Whether a line between others of an incident tells only what follows from it."""
        compiled = self._problem_rule(message)
        if compiled is None or not compiled.rule.consequence:
            return False
        return compiled.levels is None or level in compiled.levels


@lru_cache(maxsize=1024)
def _ranked(labels: Labels, rank: str) -> Labels:
    return tuple(sorted({**dict(labels), "rank": rank}.items()))


def _may_be_of(block: str | None, raw: bytes) -> bool:
    """Whether a line without wrapper may be one of those that an incident's `block` describes."""
    if block is None:
        return False
    coloured = raw.find(b"\x1b") >= 0
    return coloured or found_in(block, read_header(raw[:_BLOCK_LINE].decode("utf-8", "replace")).message)


def _mark(origin: Origin) -> bytes:
    """What stands in every line of a writer; nothing for who has no wrapper."""
    return (f"pid={origin.pid}" if origin.pid else origin.who.rpartition(" ")[2]).encode()


def problem_level(wanted: str, logged: str | None) -> Level:
    """The level of a rule's problem: its own, or the line's where the rule says `logged`."""
    if wanted != "logged":
        return {"warning": "WARNING", "critical": "CRITICAL"}.get(wanted, "ERROR")  # type: ignore[return-value]
    return logged if logged in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL") else "ERROR"  # type: ignore[return-value]
