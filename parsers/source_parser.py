"""One text file's lines to events: wrappers off, header read, rules applied, problems assembled, times decided.

Pure: bytes and times in, events out. All that must outlive the process is in `ParserState`, which is committed with the
events, so that a parser made anew from it goes on as if nothing had happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from rli_agent.events import Event, Source, TimeIs
from rli_agent.parsers.bar_reader import BarReader
from rli_agent.parsers.bars import is_table
from rli_agent.parsers.beginnings import Beginnings
from rli_agent.parsers.compiled import CompiledRule, RuleSet
from rli_agent.parsers.cutting import newlines
from rli_agent.parsers.headers import Header, fuller, read_header
from rli_agent.parsers.incidents import begins_traceback
from rli_agent.parsers.log_records import iso_stamp, log_record
from rli_agent.parsers.match_reader import MatchReader
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.problem_reader import QUIET, At, ProblemReader, problem_level
from rli_agent.parsers.timestamps import Clock, Shift
from rli_agent.parsers.unwrapping import Unwrapping
from rli_agent.parsers.wrappers import Origin, segments, split_bar, split_tail, unwrap

#: A message is looked at up to here; what is longer is a payload that no rule needs whole.
MAX_MESSAGE = 262_144
#: The writer of an echoed region that is of all writers.
EVERYBODY = "*"
#: A line without wrapper that can be no part of an incident which is outside a traceback.
_PLAIN = re.compile(rb"(?!ray::|frame #|During |The above |Exception raised|C\+\+)[A-Za-z](?!.*Traceback)")
#: A line that Ray, or vLLM, says is of one of its processes.
_NAMED = re.compile(
    rb"(?:\x1b\[\d{1,2}m)?\((?:[^()\[\]\x1b]{1,120} )?pid=\d{1,10}(?:, ip=[^()\[\]\s\x1b]{1,64})?\)(?:\x1b\[0m)? "
)
#: Bytes of a line within which its figures begin.
OPENING = 200
_BARE = Header(None, None, "", 0)
#: Where no candidate line stands.
_NONE = (1 << 62, 1 << 62, -1)


class SourceParser:
    """Reads one source. `zone` is that of stamps without one; `reference` a time (Unix seconds) near the file's
    lines."""

    def __init__(
        self, source: Source, rules: RuleSet, zone: tzinfo, reference: float, state: ParserState | None = None
    ) -> None:
        self.source = source
        self.rules = rules
        self.state = state or ParserState()
        self._clock = Clock(self.state.clock, zone, reference)
        self._unwrapping = Unwrapping(rules, self.state)
        self._beginnings = Beginnings(self._unwrapping.text_of)
        self._now: float | None = None
        self._matches = matches = MatchReader(source, rules, self.state)
        self._problems = ProblemReader(
            source, rules, self.state.problems, lambda problem: matches.events.append(problem)
        )
        self._bars = BarReader(source, rules, self.state, matches)

    @property
    def waiting(self) -> bool:
        """Whether something is held back that `flush` would give."""
        return bool(self.state.problems.incidents or self.state.held)

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole lines. `offset` and `line` (from 1) are those of the first. `now` stamps lines without a time in a
        file that is being followed; None while an old file is read, whose times are settled at its end."""
        self._now = now
        events = self._matches.events = []
        at = 0
        incidents = self.state.problems.incidents
        candidates = self._candidates(data)
        start, stop, literal = next(candidates, _NONE)
        self._unwrapping.learn(data, offset)
        self._bars.release(data, 0)
        while True:
            while incidents and at < len(data):  # line by line, as long as a problem may go on
                while start < at:
                    start, stop, literal = next(candidates, _NONE)
                begin = self._problems.next_concerned(data, at, start)
                if begin > at:
                    strangers = newlines(data, at, begin)
                    self._problems.pass_by(strangers)
                    at, line = begin, line + strangers
                    continue
                at = self._follow_on(data, at, offset, line, literal if at == start else None)
                line += 1
            while start < at:
                start, stop, literal = next(candidates, _NONE)
            if start >= len(data):
                return events
            line += newlines(data, at, start)
            self._candidate(data[start:stop], literal, line, offset + start)
            self._bars.release(data, stop + 1)
            at, line = stop + 1, line + 1

    def passes_over(self, data: bytes) -> bool:
        """Whether whole lines that come now give nothing, and leave nothing to be remembered: nothing waits for a line,
        and no rule wants one."""
        state = self.state
        if state.problems.incidents or state.held or state.regions or state.batch or state.block is not None:
            return False
        for start, stop, _ in self.rules.scanner.candidates(data):
            if not (self.rules.bars and self._bars.is_barren(data[start:stop])):
                return False
        return True

    def reference(self, time: float) -> None:
        """A time (Unix seconds) near which the lines that follow were written: now, or when an old file last
        changed."""
        self._clock.reference = time

    def flush(self) -> list[Event]:
        """The file is quiet or over: give the problems that were waiting for their last lines."""
        events = self._matches.events = []
        self._bars.release(b"", 0, last=True)
        self._problems.flush()
        self._matches.lay_out()
        return events

    def settle(self, mtime: float) -> Shift | None:
        """The end of the file is reached: how times given so far must be mended, if at all (see Clock.settle)."""
        shift = self._clock.settle(mtime)
        if shift is not None and shift.before is None and self.state.last_time is not None:
            self.state.last_time += shift.by(self.state.last_time)
        return shift

    def unknown(self, raw: bytes) -> str | None:
        """A line's message, where no rule takes it. For looking at a line here and there: nothing is remembered."""
        if self.state.regions:
            return None
        body = unwrap(raw, self.state.capture).text
        text = body[:MAX_MESSAGE].decode("utf-8", "replace")
        message = read_header(text).message
        rules = self.rules.rules_for(self.rules.scanner.found(body))
        taken = any(rule.search(text if rule.rule.on == "line" else message) is not None for rule in rules)
        return None if taken else message

    # -- lines

    def _candidates(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """(start, end, literal) of the lines to look at, without bars of a make that says nothing."""
        found = self.rules.scanner.candidates(data)
        if not self.rules.bars:
            return found
        return (line for line in found if not self._bars.is_barren(data[line[0] : line[1]]))

    def _candidate(self, raw: bytes, literal: int, line: int, offset: int) -> None:
        """Read a line that holds a literal (the index of one; -1 where all lines are read)."""
        first = self.rules.leading[literal] if literal >= 0 and not self.state.regions else None
        if first is None or not self._leading(first, self.rules.scanner.literals[literal], raw, line, offset):
            self._line(raw, line, offset)

    def _leading(self, compiled: CompiledRule, literal: bytes, raw: bytes, line: int, offset: int) -> bool:
        """Try the one rule that comes before all others on a line of nothing but figures; the short way of `_line`."""
        if self.state.held is not None or raw.find(b"\r") >= 0 or (raw.find(b"%") >= 0 and raw.find(b"%|") >= 0):
            return False
        start, origin = self._beginnings.read(raw, literal)
        if origin is not None and self._opened(compiled, raw, start, origin, line, offset):
            return True
        unwrapped = self._unwrapping.text_of(raw)
        text = unwrapped.text.decode("utf-8", "replace")
        header = read_header(text)
        if header.level is not None or len(text) > MAX_MESSAGE or text[:1] == "{":
            return False
        match = compiled.search(header.message)
        if match is None:
            return False
        time, time_is = self._time(header, unwrapped.stamp, text, unwrapped.origin.who, line)
        self._matches.figures(compiled, match, At(line, offset, time, time_is, unwrapped.origin, None))
        return True

    def _opened(self, compiled: CompiledRule, raw: bytes, start: int, origin: Origin, line: int, offset: int) -> bool:
        """Read a line without header of which the rule's pattern need look at no more than the beginning."""
        if compiled.opening is None or len(raw) > MAX_MESSAGE:
            return False
        begin = raw[start : start + OPENING].decode("utf-8", "replace")
        found = compiled.opening.match(begin) if begin.isascii() else None
        if found is None:
            return False
        time, time_is = self._time(_BARE, None, begin, origin.who, line)
        at = At(line, offset, time, time_is, origin, None)
        return self._matches.assigned(compiled, found, raw[start + found.end() :], at)

    def _follow_on(self, data: bytes, at: int, offset: int, line: int, literal: int | None) -> int:
        """Read the line that begins here, while an incident is open; where the next one begins. `literal`: that of a
        candidate."""
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        text = data[at:stop]
        bare = self.state.capture is None
        plain = bare and _PLAIN.match(text) is not None
        stranger = bare and not plain and _NAMED.match(text) is not None and not self._problems.named(text)
        if stranger:
            self._problems.pass_by(1)
        if literal is not None:
            if stranger or not self._goes_on(text, line, candidate=True):
                self._candidate(text, literal, line, offset + at)
                self._bars.release(data, stop + 1)
        elif not stranger and not (plain and self._problems.plainly_over(text)):
            # colours and escapes may stand within a literal
            hides = self.rules.scanner.every_line or text.find(b"\x1b") >= 0 or text[:1] == b"{"
            self._goes_on(text, line, candidate=hides)
        return stop + 1

    def _goes_on(self, raw: bytes, line: int, candidate: bool) -> bool:
        """Whether a line belongs to an open incident. `candidate`: a rule may want it."""
        unwrapped = self._unwrapping.text_of(raw)
        if not self._problems.waits_for(unwrapped.origin.who):
            return False
        header = read_header(unwrapped.text[:MAX_MESSAGE].decode("utf-8", "replace"))
        stamped = header.level is not None or header.stamp is not None
        who = unwrapped.origin.who
        return self._problems.continues(who, header.message, header.level, stamped, line, candidate=candidate)

    def _line(self, raw: bytes, line: int, offset: int) -> None:
        if not self.rules.bars or raw.find(b"%|") < 0:
            self._texts(raw, line, offset)
            return
        taken = self._bars.read(raw, line, offset, self._now)
        if not self._texts(raw, line, offset) and not taken:
            self._bars.passed(raw)

    def _texts(self, raw: bytes, line: int, offset: int) -> bool:
        """Read the texts on a line; whether one holds something to look at."""
        if raw.find(b"\r") < 0:
            return self._text(raw, line, offset)
        told = [self._text(segment, line, offset) for segment in segments(raw)]
        return any(told)

    def _text(self, raw: bytes, line: int, offset: int) -> bool:
        unwrapped = self._unwrapping.text_of(raw)
        body, origin = unwrapped.text, unwrapped.origin
        if body.find(b"%|") >= 0 and not is_table(body):
            bar, rest = split_bar(body)
            if bar is not None and rest:  # what another rank wrote behind a bar bears its own wrapper
                behind = unwrap(rest)
                body, origin = behind.text, behind.origin if behind.origin.who else origin
            body = split_tail(body)[0]
        if body[:1] == b"{" and self._record(body, origin, line, offset):
            return True
        found = self.rules.scanner.found(body)
        if not self.state.regions and not self.rules.needs(found):
            return False
        text = body[:MAX_MESSAGE].decode("utf-8", "replace")
        header = read_header(text)
        self._message(text, header, found, origin, unwrapped.stamp, unwrapped.repeated, line, offset)
        return True

    def _record(self, body: bytes, origin: Origin, line: int, offset: int) -> bool:
        """Whether a line is a log record in JSON: its message, which may be several lines, is read as any other."""
        record = log_record(body)
        if record is None:
            return False
        header, whole = record
        for i, text in enumerate(whole.split("\n")):
            raw = text.encode()
            waits = i > 0 and self._problems.waits_for(origin.who)
            if waits and self._problems.continues(origin.who, text, None, False, line, candidate=True):
                continue
            found = self.rules.scanner.found(raw)
            if i == 0 and header.level in ("ERROR", "CRITICAL"):
                found |= self.rules.level_ids
            if found or self.rules.scanner.every_line:
                self._message(text, Header(header.level, header.stamp, text, 0), found, origin, None, 1, line, offset)
        return True

    def _message(
        self, text: str, header: Header, found: frozenset[int], origin: Origin,
        stamp: bytes | None, repeated: int, line: int, offset: int,
    ) -> None:  # fmt: skip
        state = self.state
        message = header.message
        for pattern in self.rules.strip:
            message = pattern.sub("", message)
        region = state.regions or not found.isdisjoint(self.rules.region_ids)
        if region and self._skipped(message, header, origin.who, line):
            return
        time, time_is = self._time(header, stamp, text, origin.who, line)
        at = At(line, offset, time, time_is, origin, header.level)
        if header.level is not None and not found.isdisjoint(self.rules.level_ids):
            state.levels[header.level] = state.levels.get(header.level, 0) + 1
        rules = self.rules.rules_for(found)
        if rules and self._apply(rules, text, message, at, repeated):
            return
        if self.rules.traceback_id in found and begins_traceback(message):
            incident = self._problems.open(at, message, "traceback", "ERROR", None, repeated)
            incident.muted = header.level in QUIET
        elif header.level in ("ERROR", "CRITICAL") and message.strip():
            kind = "env_error" if self.source.role == "env" else "other"
            self._problems.open(
                at, message, kind, "CRITICAL" if header.level == "CRITICAL" else "ERROR", None, repeated
            )

    def _apply(self, rules: tuple[CompiledRule, ...], text: str, message: str, at: At, repeated: int) -> bool:
        """Try the rules in order. Whether one took the line."""
        for compiled in rules:
            rule = compiled.rule
            if compiled.off or (compiled.levels is not None and at.level not in compiled.levels):
                continue
            quiet = rule.problem is not None and compiled.kind == "problems" and at.level in QUIET
            if quiet and compiled.levels is None:
                continue
            if rule.when is not None and not compiled.fits(self.state.slots):
                continue
            match = compiled.search(text if rule.on == "line" else message)
            if match is None:
                continue
            if rule.ignore and rule.problem is None:
                return True
            if rule.problem is not None:
                follows = rule.consequence and self._problems.follows(at.line)
                level = problem_level(rule.problem.level, at.level)
                incident = self._problems.open(at, message, rule.problem.kind, level, compiled, repeated)
                incident.muted = incident.muted or follows
                self._matches.tell(compiled, match, at)
            elif not (compiled.first_rank and at.origin.rank not in (None, "0")):
                self._matches.figures(compiled, match, at)
                while rule.every and (match := compiled.search(message, match.end())) is not None:
                    self._matches.figures(compiled, match, at)
            if not rule.also:
                return True
        return False

    # -- regions and times

    def _skipped(self, message: str, header: Header, who: str, line: int) -> bool:
        """Whether the line stands in an echoed region of its writer, or begins or ends one."""
        who = EVERYBODY if EVERYBODY in self.state.regions else who
        inside = self.state.regions.get(who)
        if inside is not None:
            index, began = inside
            skip = self.rules.skips[index]
            if line - began > skip.lines or (skip.stamped and header.stamp is not None):
                del self.state.regions[who]
            elif self.rules.skip_end[index].search(message):
                del self.state.regions[who]
                return True
            else:
                return True
        for index, start in enumerate(self.rules.skip_start):
            if start.search(message):
                self.state.regions[EVERYBODY if self.rules.skips[index].all else who] = (index, line)
                return True
        return False

    def _time(
        self, header: Header, wrapper_stamp: bytes | None, text: str, who: str, line: int
    ) -> tuple[float | None, TimeIs]:
        """A line without a stamp that is indented, or a table's row, goes on with the stamped one of its writer before,
        unless one at the margin stood between."""
        state = self.state
        stamp = header.stamp
        if wrapper_stamp is not None and (stamp is None or not stamp.has_year):
            stamp = fuller(stamp, iso_stamp(wrapper_stamp.decode()))
        if stamp is not None:
            state.last_time, state.stamper = self._clock.time_of(stamp, line), who
            return state.last_time, "logged"
        if state.stamper == who:
            if state.last_time is not None and (text[:1].isspace() or is_table(text[:1].encode())):
                return state.last_time, "logged"
            state.stamper = None
        if self._now is not None:
            return self._now, "observed"
        return None, "estimated"
