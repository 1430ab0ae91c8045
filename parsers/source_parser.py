"""One text file's lines to events: wrappers off, header read, rules applied, problems assembled, times decided.

Pure: bytes and times in, events out. All that must outlive the process is in `ParserState`, which is committed with the
events, so that a parser made anew from it goes on as if nothing had happened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.events import Event, Interval, Labels, Problem, RunFact, Samples, Source, TimeIs
from rli_agent.parsers.bars import bars, is_table
from rli_agent.parsers.beginnings import Beginnings
from rli_agent.parsers.blocks import Block, laid_out
from rli_agent.parsers.compiled import PATTERN_TIMEOUT, CompiledRule, RuleSet
from rli_agent.parsers.headers import Header, Stamp, read_header, read_stamp
from rli_agent.parsers.incidents import begins_traceback
from rli_agent.parsers.line_reader import Figures, LineReader, filled
from rli_agent.parsers.packs import Rule
from rli_agent.parsers.payloads import duration, number
from rli_agent.parsers.problem_reader import QUIET, At, ProblemReader, ProblemState, problem_level
from rli_agent.parsers.timeline import Opened
from rli_agent.parsers.timestamps import Clock, ClockState, Shift
from rli_agent.parsers.wrappers import Origin, Unwrapped, segments, split_bar, split_tail, unwrap

#: A message is looked at up to here; what is longer is a payload that no rule needs whole.
MAX_MESSAGE = 262_144
#: Figures of which a value that is not finite is a problem.
_VITAL = re.compile(r"loss|grad_?norm|entropy|(?:^|[/_ ])kl(?:$|[/_])|_kl(?:$|[/_])|kl_", re.IGNORECASE)
#: `srun --label` puts the task's number before every line.
_LABELLED = re.compile(rb" *\d{1,5}: ")
_ENCODER = msgspec.json.Encoder()


class Held(Struct):
    """Figures whose step the bar on the next line tells, by `slot` and `add`; `step` is theirs where it does not."""

    slot: str
    add: int
    step: int | None
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    names: tuple[str, ...]
    units: tuple[str | None, ...]
    labels: dict[str, str]
    printed: str


#: A line without wrapper that can be no part of an incident which is outside a traceback.
_PLAIN = re.compile(rb"(?!ray::|frame #|During |The above |Exception raised|C\+\+)[A-Za-z](?!.*Traceback)")
_NOTHING: Mapping[str, str] = {}
#: Where no candidate line stands.
_NONE = (1 << 62, 1 << 62, -1)


class ParserState(Struct):
    """What a parser must remember between two lines. `levels` counts lines by level word since the file began.

    labelled: lines bear `srun --label`'s task numbers. drawn: what each rule on bars said last. said: step and value of
    figures that others may repeat. stamper: whose stamp `last_time` is, as long as it goes on. block: durations of a
    step that are printed in several lines.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    slots: dict[str, int] = {}
    opened: dict[str, Opened] = {}
    regions: dict[str, tuple[int, int]] = {}
    problems: ProblemState = msgspec.field(default_factory=ProblemState)
    labelled: bool = False
    last_time: float | None = None
    stamper: str | None = None
    held: Held | None = None
    block: Block | None = None
    drawn: dict[str, str] = {}
    said: dict[str, tuple[int, float | str]] = {}
    facts: dict[str, str] = {}
    levels: dict[str, int] = {}

    def encode(self) -> bytes:
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> ParserState:
        """Raises msgspec.DecodeError (a ValueError) where the bytes are of another version."""
        return msgspec.json.decode(data, type=cls)


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
        self._reader = LineReader(rules)
        self._beginnings = Beginnings(self._unwrap)
        self._now: float | None = None
        self._events: list[Event] = []
        self._problems = ProblemReader(source, rules, self.state.problems, lambda problem: self._events.append(problem))

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read whole lines. `offset` and `line` (from 1) are those of the first. `now` stamps lines without a time in a
        file that is being followed; None while an old file is read, whose times are settled at its end."""
        self._now = now
        events: list[Event] = []
        self._events = events
        at = 0
        incidents = self.state.problems.incidents
        candidates = self.rules.scanner.candidates(data)
        start, stop, literal = next(candidates, _NONE)
        leading, state = self.rules.leading, self.state
        self._release(data, 0)
        while True:
            while incidents and at < len(data):  # line by line, as long as a problem may go on
                while start < at:
                    start, stop, literal = next(candidates, _NONE)
                begin = self._problems.next_concerned(data, at, start)
                if begin > at:
                    strangers = data.count(b"\n", at, begin)
                    self._problems.pass_by(strangers)
                    at, line = begin, line + strangers
                    continue
                at = self._follow_on(data, at, offset, line, at == start)
                line += 1
            while start < at:
                start, stop, literal = next(candidates, _NONE)
            if start >= len(data):
                return events
            line += data.count(b"\n", at, start)
            first = leading[literal] if literal >= 0 and not state.regions else None
            if first is None or not self._leading(
                first, self.rules.scanner.literals[literal], data[start:stop], line, offset + start
            ):
                self._line(data[start:stop], line, offset + start)
                self._release(data, stop + 1)
            at, line = stop + 1, line + 1

    def reference(self, time: float) -> None:
        """A time (Unix seconds) near which the lines that follow were written: now, or when an old file last
        changed."""
        self._clock.reference = time

    def flush(self) -> list[Event]:
        """The file is quiet or over: give the problems that were waiting for their last lines."""
        events: list[Event] = []
        self._events = events
        self._release(b"", 0, last=True)
        self._problems.flush()
        self._lay_out()
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
        body = unwrap(raw, self.state.labelled).text
        text = body[:MAX_MESSAGE].decode("utf-8", "replace")
        message = read_header(text).message
        rules = self.rules.rules_for(self.rules.scanner.found(body))
        taken = any(rule.search(text if rule.rule.on == "line" else message) is not None for rule in rules)
        return None if taken else message

    # -- lines

    def _leading(self, compiled: CompiledRule, literal: bytes, raw: bytes, line: int, offset: int) -> bool:
        """Try the one rule that comes before all others on a line of nothing but figures; the short way of `_line`."""
        if self.state.held is not None or b"\r" in raw or b"%|" in raw:
            return False
        start, origin = self._beginnings.read(raw, literal)
        if origin is not None:
            text = raw[start:].decode("utf-8", "replace")
            header, stamp = Header(None, None, text, 0), None
        else:
            unwrapped = self._unwrap(raw)
            origin, stamp = unwrapped.origin, unwrapped.stamp
            text = unwrapped.text.decode("utf-8", "replace")
            header = read_header(text)
        if header.level is not None or len(text) > MAX_MESSAGE or text[:1] == "{":
            return False
        match = compiled.search(header.message)
        if match is None:
            return False
        time, time_is = self._time(header, stamp, text, origin.who, line)
        self._figures(compiled, match, At(line, offset, time, time_is, origin, None))
        return True

    def _follow_on(self, data: bytes, at: int, offset: int, line: int, candidate: bool) -> int:
        """Read the line that begins here, while an incident is open; where the next one begins."""
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        text = data[at:stop]
        if candidate:
            if not self._goes_on(text, line):
                self._line(text, line, offset + at)
                self._release(data, stop + 1)
        elif not (_PLAIN.match(text) and self._problems.plainly_over()):
            self._goes_on(text, line)
        return stop + 1

    def _unwrap(self, raw: bytes) -> Unwrapped:
        """A line without its wrappers and the framework's own tag."""
        unwrapped = self._unlabelled(raw)
        for tag in self.rules.tags:
            try:
                found = tag.match(unwrapped.text[:80].decode("utf-8", "replace"), timeout=PATTERN_TIMEOUT)
            except TimeoutError:
                continue
            if found is not None:
                return unwrapped._replace(text=unwrapped.text[len(found[0].encode()) :])
        return unwrapped

    def _unlabelled(self, raw: bytes) -> Unwrapped:
        """A line without its wrappers. That the tasks of srun are numbered is seen at the first line that would make
        no sense with its number: one with a header or a traceback behind it."""
        if _LABELLED.match(raw) is None:
            return unwrap(raw)
        unwrapped = unwrap(raw, True)
        if not self.state.labelled:
            text = unwrapped.text[:200].decode("utf-8", "replace")
            self.state.labelled = read_header(text).start > 0 or begins_traceback(text)
        return unwrapped if self.state.labelled else unwrap(raw)

    def _goes_on(self, raw: bytes, line: int) -> bool:
        """Whether a line belongs to an open incident."""
        unwrapped = self._unwrap(raw)
        if not self._problems.waits_for(unwrapped.origin.who):
            return False
        header = read_header(unwrapped.text[:MAX_MESSAGE].decode("utf-8", "replace"))
        stamped = header.level is not None or header.stamp is not None
        return self._problems.continues(unwrapped.origin.who, header.message, header.level, stamped, line)

    def _line(self, raw: bytes, line: int, offset: int) -> None:
        if self.rules.bars and b"%|" in raw:
            self._bars(raw, line, offset)
        if b"\r" in raw:
            for segment in segments(raw):
                self._text(segment, line, offset)
        else:
            self._text(raw, line, offset)

    def _text(self, raw: bytes, line: int, offset: int) -> None:
        unwrapped = self._unwrap(raw)
        body = unwrapped.text
        if b"%|" in body and not is_table(body):
            body = split_bar(body)[1] or body
            body = split_tail(body)[0]
        if body[:1] == b"{" and self._json_line(body, unwrapped.origin, line, offset):
            return
        found = self.rules.scanner.found(body)
        if not found and not self.rules.scanner.every_line:
            return
        text = body[:MAX_MESSAGE].decode("utf-8", "replace")
        header = read_header(text)
        self._message(text, header, found, unwrapped.origin, unwrapped.stamp, unwrapped.repeated, line, offset)

    def _bars(self, raw: bytes, line: int, offset: int) -> None:
        """Show the bars of a line to the rules on bars. Of refreshes that say the same the last one counts."""
        found = [hit for text in bars(raw) if (hit := self._bar(text)) is not None]
        at = At(line, offset, self._now, "observed" if self._now is not None else "estimated", Origin(), None)
        for i, (compiled, match) in enumerate(found):
            pairs = compiled.rule.pairs
            said = match.group(pairs.source) if pairs is not None else None
            if said is not None:
                again = next((m.group(pairs.source) for c, m in found[i + 1 :] if pairs and c is compiled), None)
                if said in (again, self.state.drawn.get(compiled.id)):
                    continue
                self.state.drawn[compiled.id] = said
            self._figures(compiled, match, at)

    def _bar(self, text: str, slot: str | None = None) -> tuple[CompiledRule, Any] | None:
        """The first rule that takes a bar (of those that set the slot), with its match."""
        for compiled in self.rules.bars:
            if slot is not None and slot not in compiled.rule.sets.values():
                continue
            if not compiled.off and self._may(compiled) and (match := compiled.search(text)) is not None:
                return compiled, match
        return None

    def _may(self, compiled: CompiledRule) -> bool:
        when = compiled.rule.when
        return when is None or self.state.slots.keys().isdisjoint(when.unset)

    def _json_line(self, body: bytes, origin: Origin, line: int, offset: int) -> bool:
        """A log record in JSON: its message, which may be several lines, is read as any other line."""
        try:
            record = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        message = _first(record, "message", "msg", "event") if isinstance(record, dict) else None
        if not isinstance(message, str):
            return False
        level = _first(record, "level", "levelname", "severity")
        header = Header(_level(level), _iso(_first(record, "timestamp", "time", "asctime", "ts")), "", 0)
        trace = _first(record, "exception", "exc_info", "traceback")
        whole = f"{message}\n{trace}" if isinstance(trace, str) else message
        for i, text in enumerate(whole.split("\n")):
            raw = text.encode()
            waits = i > 0 and self._problems.waits_for(origin.who)
            if waits and self._problems.continues(origin.who, text, None, False, line):
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
        if (state.regions or found & self.rules.region_ids) and self._skipped(message, header, origin.who, line):
            return
        time, time_is = self._time(header, stamp, text, origin.who, line)
        at = At(line, offset, time, time_is, origin, header.level)
        if header.level is not None and found & self.rules.level_ids:
            state.levels[header.level] = state.levels.get(header.level, 0) + 1
        rules = self.rules.rules_for(found)
        if rules and self._apply(rules, text, message, at, repeated):
            return
        if self.rules.traceback_id in found and begins_traceback(message):
            incident = self._problems.open(at, message, "traceback", "ERROR", None, repeated)
            incident.muted = header.level in QUIET
        elif header.level in ("ERROR", "CRITICAL"):
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
            if not self._may(compiled):
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
                self._tell(compiled, match, at)
            elif not (self.rules.first_rank and at.origin.rank not in (None, "0")):
                self._figures(compiled, match, at)
                while rule.every and (match := compiled.search(message, match.end())) is not None:
                    self._figures(compiled, match, at)
            if not rule.also:
                return True
        return False

    # -- what a matched line says

    def _figures(self, compiled: CompiledRule, match: Any, at: At) -> None:
        rule, state = compiled.rule, self.state
        if compiled.figures_only and not self.rules.repeats:
            figures = self._reader.read(compiled, match, _NOTHING)
            if figures is not None:
                step = self._step(None, 0, match["step"]) if "step" in compiled.rx.groupindex else None
                self._say(Samples(self.source.file, at.line, at.offset, at.time, at.time_is, step, *figures))
            if state.opened:
                for name in rule.closes:
                    self._over(at, at.time, at.time_is, rule.lane or self.source.lane or self.source.role, name)
            return
        groups: Mapping[str, str | None] = match.groupdict()
        time, time_is = at.time, at.time_is
        place = (self.source.file, at.line, at.offset)
        if rule.step_in is not None:
            groups = self._in_run(rule.step_in, groups)
        for group, slot in rule.sets.items():
            value = number(groups[group] or "")
            if value is not None:
                state.slots[slot] = int(value)
        state.slots |= rule.resets
        for slot, more in rule.counts.items():
            if slot in state.slots:
                state.slots[slot] += more
        step = self._step(rule.step_of, rule.step_add, groups.get("step"))
        extra = {label: (groups[group] or "").strip() for group, label in rule.labels.items() if groups[group]}
        extra |= rule.constant
        if rule.metrics or rule.pairs is not None:
            figures = self._reader.read(compiled, match, extra)
            if figures is not None and self.rules.repeats and step is not None:
                figures = self._news(figures, step, extra, rule.repeats)
            if figures is not None and rule.step_after and rule.step_of is not None:
                shape, _, printed = figures
                state.held = Held(
                    rule.step_of, rule.step_add, step, at.line, at.offset, time, time_is, shape.names, shape.units,
                    extra, printed,
                )  # fmt: skip
            elif figures is not None:
                self._say(Samples(*place, time, time_is, step, *figures))
        labels: Labels = tuple(sorted(extra.items()))
        lane = rule.lane or self.source.lane or self.source.role
        if rule.state is not None:
            lasted = duration(groups.get(rule.elapsed) or "")
            if lasted is not None:
                name = _word(rule, rule.state, match)
                state.opened.pop(f"{lane}\0{name}", None)
                end = time if time is not None else 0.0
                self._interval(at, time_is, lane, name, step, end - lasted, end, lasted, None, labels)
        if rule.begin is not None:
            name = _word(rule, rule.begin, match)
            state.opened[f"{lane}\0{name}"] = Opened(lane, name, at.line, time, time_is, step)
            self._interval(at, time_is, lane, name, step, time, None, None, None, labels)
        if rule.end is not None:
            lasted_text = groups.get(rule.elapsed) if rule.state is None else None
            self._closed(at, time, time_is, lane, _word(rule, rule.end, match), step, lasted_text, labels)
        for name in rule.closes:
            self._over(at, time, time_is, lane, name)
        if rule.ends_block:
            self._lay_out()
        self._tell(compiled, match, at)

    def _say(self, samples: Samples) -> None:
        """Give figures, close the states that they tell of, and say the problem that they are where one is not
        finite."""
        self._events.append(samples)
        plan = samples.shape.plan
        if plan is not None and self.state.opened:
            at = At(samples.line, samples.offset, samples.time, samples.time_is, Origin(), None)
            for phase in plan.phases:
                self._over(at, samples.time, samples.time_is, plan.lane, phase.state)
        if self.rules.block_keys:
            self._gather(samples)
        if '"' in samples.printed:
            self._not_finite(samples)

    def _gather(self, samples: Samples) -> None:
        """Keep the durations of a block until all of them are there."""
        told = [(n, v) for n, v in zip(samples.shape.names, samples.values, strict=True) if n in self.rules.block_keys]
        if not told:
            return
        if self.state.block is not None and not self.state.block.belongs(samples, [name for name, _ in told]):
            self._lay_out()
        block = self.state.block
        if block is None:
            block = self.state.block = Block(samples.step, samples.time, samples.time_is)
        for name, value in told:
            block.add(name, value, samples)

    def _lay_out(self) -> None:
        block, self.state.block = self.state.block, None
        if block is not None:
            lane = self.source.lane or self.source.role
            found = laid_out(block, self.rules.layouts, lane, self.source.file)
            for interval in found:
                self.state.opened.pop(f"{interval.lane}\0{interval.state}", None)
            self._events.extend(found)

    def _in_run(self, slot: str, groups: Mapping[str, str | None]) -> Mapping[str, str | None]:
        """Groups whose `step`, which counts within an epoch, is made one of the whole run."""
        step, steps = number(groups.get("step") or ""), number(groups.get("steps") or "")
        if step is None or steps is None or not math.isfinite(step + steps):
            return groups
        epochs = self.state.slots.get(slot, 1) - 1
        return {**groups, "step": str(int(step) + epochs * int(steps))}

    def _release(self, data: bytes, at: int, last: bool = False) -> None:
        """Give the figures that were held back, once the line behind theirs is there (it begins at `at`)."""
        held = self.state.held
        if held is None or (at >= len(data) and not last):
            return
        self.state.held = None
        step = held.step
        stop = data.find(b"\n", at)
        for text in bars(data[at : stop if stop >= 0 else None]):
            hit = self._bar(text, held.slot)
            if hit is not None:
                group = next(g for g, slot in hit[0].rule.sets.items() if slot == held.slot)
                value = number(hit[1].group(group) or "")
                step = int(value) + held.add if value is not None else step
                break
        shape = self.rules.shape(held.names, held.units, held.labels)
        values = [float(v) for v in msgspec.json.decode(held.printed)]
        place = (self.source.file, held.line, held.offset)
        self._say(Samples(*place, held.time, held.time_is, step, shape, values, held.printed))

    def _news(self, figures: Figures, step: int, extra: Mapping[str, str], repeats: bool) -> Figures | None:
        """What of a line's figures was not yet said at this step; all, where the line's rule repeats none."""
        shape, values, printed = figures
        fresh: list[int] = []
        said = self.state.said
        texts: list[float | str] = msgspec.json.decode(printed)
        for i, name in enumerate(shape.names):
            known = said.get(name)
            if repeats and known is not None and known[0] == step and _agree(float(known[1]), values[i]):
                continue
            fresh.append(i)
            if not repeats and (name in said or len(said) < 10_000):
                said[name] = (step, texts[i])
        if len(fresh) == len(values):
            return figures
        if not fresh:
            return None
        names, units = tuple(shape.names[i] for i in fresh), tuple(shape.units[i] for i in fresh)
        printed = _ENCODER.encode([texts[i] for i in fresh]).decode()
        return self.rules.shape(names, units, extra), [values[i] for i in fresh], printed

    def _tell(self, compiled: CompiledRule, match: Any, at: At) -> None:
        """Facts that a line tells, where they are new."""
        rule = compiled.rule
        told = [(key, (match.group(group) or "").strip()) for group, key in rule.facts.items()]
        for key, text in (*told, *rule.tells.items()):
            if text and self.state.facts.get(key) != text:
                self.state.facts[key] = text
                place = (self.source.file, at.line, at.offset)
                self._events.append(RunFact(*place, at.time, at.time_is, key, text[:4096]))

    def _over(self, at: At, time: float | None, time_is: TimeIs, lane: str, state: str) -> None:
        """A state is over, nobody says since when: an interval without length says so to those who show it."""
        if self.state.opened.pop(f"{lane}\0{state}", None) is not None:
            end = time if time is not None else 0.0
            self._interval(at, time_is, lane, state, None, end, end, None, None, ())

    def _closed(
        self, at: At, time: float | None, time_is: TimeIs, lane: str, state: str, step: int | None,
        lasted_text: str | None, labels: Labels,
    ) -> None:  # fmt: skip
        opened = self.state.opened.pop(f"{lane}\0{state}", None)
        lasted = duration(lasted_text) if lasted_text else None
        step = step if step is not None else opened.step if opened is not None else None
        if lasted is not None:
            end = time if time is not None else 0.0
            self._interval(at, time_is, lane, state, step, end - lasted, end, lasted, None, labels)
        elif opened is not None:
            self._ended(at, time, time_is, opened, step, labels)

    def _ended(
        self, at: At, time: float | None, time_is: TimeIs, opened: Opened, step: int | None, labels: Labels
    ) -> None:
        """An opened state ends here. Where no times are known the interval says only that it is over."""
        end = time if time is not None else 0.0
        start = min(opened.start, end) if opened.start is not None and time is not None else end
        self._interval(at, time_is, opened.lane, opened.state, step, start, end, None, None, labels)

    def _interval(
        self, at: At, time_is: TimeIs, lane: str, state: str, step: int | None, start: float | None,
        end: float | None, lasted: float | None, key: str | None, labels: Labels,
    ) -> None:  # fmt: skip
        place = (self.source.file, at.line, at.offset)
        self._events.append(Interval(*place, time_is, lane, state, step, start, end, lasted, key, labels))

    def _not_finite(self, samples: Samples) -> None:
        """A loss, gradient norm, KL or entropy that is not finite is one problem a line."""
        bad = [
            f"{name} {value}"
            for name, value in zip(samples.shape.names, samples.values, strict=True)
            if not math.isfinite(value) and _VITAL.search(name)
        ]
        if bad:
            place = (samples.file, samples.line, samples.offset, samples.time, samples.time_is)
            text = ", ".join(bad)[:2000]
            self._events.append(Problem(*place, "ERROR", "nan", text, 1, samples.step, None, samples.shape.labels))

    def _step(self, slot: str | None, add: int, text: str | None) -> int | None:
        if text is not None:
            value = number(text)
            return int(value) if value is not None and math.isfinite(value) else None
        if slot is not None and slot in self.state.slots:
            return self.state.slots[slot] + add
        return None

    # -- regions and times

    def _skipped(self, message: str, header: Header, who: str, line: int) -> bool:
        """Whether the line stands in an echoed region of its writer, or begins or ends one."""
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
                self.state.regions[who] = (index, line)
                return True
        return False

    def _time(
        self, header: Header, wrapper_stamp: bytes | None, text: str, who: str, line: int
    ) -> tuple[float | None, TimeIs]:
        """A line without a stamp that is indented, or a table's row, goes on with the stamped one of its writer before,
        unless one at the margin stood between."""
        state = self.state
        stamp = header.stamp or (_iso(wrapper_stamp.decode()) if wrapper_stamp else None)
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


def _word(rule: Rule, template: str, match: Any) -> str:
    """The name of a state, with the pattern's groups filled in and translated."""
    if "{" not in template:
        return template
    text = filled(template, match)
    return rule.words.get(text, text)


def _agree(exact: float, rounded: float) -> bool:
    """Whether one is the other, perhaps rounded to four decimals or digits."""
    return math.isclose(exact, rounded, rel_tol=1e-3, abs_tol=6e-5) or (math.isnan(exact) and math.isnan(rounded))


def _first(record: Mapping[str, Any], *keys: str) -> Any:
    return next((record[k] for k in keys if k in record), None)


def _level(word: Any) -> str | None:
    if isinstance(word, dict):
        word = word.get("name")
    if not isinstance(word, str):
        return None
    return {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG"}.get(word.upper(), word.upper())


def _iso(text: Any) -> Stamp | None:
    """A stamp of a record: ISO 8601 with or without zone, or Unix seconds."""
    if isinstance(text, int | float) and 1e9 < text < 1e11:
        return Stamp(None, None, None, None, None, float(text))
    if not isinstance(text, str):
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip()).replace("Z", "+00:00").replace(",", ".")
    try:
        t = datetime.fromisoformat(text)
    except ValueError:
        return read_stamp(text)
    seconds = t.hour * 3600 + t.minute * 60 + t.second + t.microsecond / 1e6
    zone = t.utcoffset()
    return Stamp(t.year, t.month, t.day, seconds, zone.total_seconds() if zone is not None else None, None)
