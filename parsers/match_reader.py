"""What a line says that a rule's pattern matched: figures, states that begin or end, facts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rli_agent.events import Event, Interval, Labels, RunFact, Samples, Source, TimeIs
from rli_agent.parsers.assigned_lines import Figures
from rli_agent.parsers.batched import Held
from rli_agent.parsers.blocks import Block, laid_out
from rli_agent.parsers.compiled import CompiledRule, RuleSet
from rli_agent.parsers.line_reader import LineReader, filled
from rli_agent.parsers.not_finite import not_finite
from rli_agent.parsers.packs import Rule
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.problem_reader import At
from rli_agent.parsers.quantities import duration, number
from rli_agent.parsers.timeline import Opened
from rli_agent.parsers.wrappers import Origin

_ENCODER = msgspec.json.Encoder()
_NOTHING: Mapping[str, str] = {}
#: A count as people read it: 1,200.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")


class MatchReader:
    """Turns the matches of one source into events, which it appends to `events`."""

    def __init__(self, source: Source, rules: RuleSet, state: ParserState) -> None:
        self.source = source
        self.rules = rules
        self.state = state
        self.events: list[Event] = []
        self._reader = LineReader(rules)

    def figures(self, compiled: CompiledRule, match: Any, at: At) -> None:
        rule, state = compiled.rule, self.state
        if compiled.figures_only and not self.rules.repeats:
            self._figures_only(compiled, match, self._reader.read(compiled, match, _NOTHING), at)
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
                self.say(Samples(*place, time, time_is, step, *figures))
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
            self.lay_out()
        self.tell(compiled, match, at)

    def assigned(self, compiled: CompiledRule, opening: re.Match[str], rest: bytes, at: At) -> bool:
        """Read a line of figures only by its opening and the rest. False where it must be read as others are."""
        pairs = compiled.rule.pairs
        figures = self._reader.assigned(compiled, pairs).read(rest, _NOTHING) if pairs is not None else None
        if figures is not None:
            self._figures_only(compiled, opening, figures, at)
        return figures is not None

    def _figures_only(self, compiled: CompiledRule, match: Any, figures: Figures | None, at: At) -> None:
        rule = compiled.rule
        if figures is not None:
            step = self._step(None, 0, match["step"]) if "step" in match.re.groupindex else None
            self.say(Samples(self.source.file, at.line, at.offset, at.time, at.time_is, step, *figures))
        if self.state.opened:
            for name in rule.closes:
                self._over(at, at.time, at.time_is, rule.lane or self.source.lane or self.source.role, name)

    def say(self, samples: Samples) -> None:
        """Give figures, close the states that they tell of, and say the problem that they are where one is not
        finite."""
        self.events.append(samples)
        plan = samples.shape.plan
        if plan is not None and self.state.opened:
            at = At(samples.line, samples.offset, samples.time, samples.time_is, Origin(), None)
            for phase in plan.phases:
                self._over(at, samples.time, samples.time_is, plan.lane, phase.state)
        if self.rules.block_keys:
            self._gather(samples)
        if '"' in samples.printed:
            problem = not_finite(samples)
            if problem is not None:
                self.events.append(problem)

    def _gather(self, samples: Samples) -> None:
        """Keep the durations of a block until all of them are there."""
        told = [(n, v) for n, v in zip(samples.shape.names, samples.values, strict=True) if n in self.rules.block_keys]
        if not told:
            return
        if self.state.block is not None and not self.state.block.belongs(samples, [name for name, _ in told]):
            self.lay_out()
        block = self.state.block
        if block is None:
            block = self.state.block = Block(samples.step, samples.time, samples.time_is)
        for name, value in told:
            block.add(name, value, samples)

    def lay_out(self) -> None:
        block, self.state.block = self.state.block, None
        if block is not None:
            lane = self.source.lane or self.source.role
            found = laid_out(block, self.rules.layouts, lane, self.source.file)
            for interval in found:
                self.state.opened.pop(f"{interval.lane}\0{interval.state}", None)
            self.events.extend(found)

    def _in_run(self, slot: str, groups: Mapping[str, str | None]) -> Mapping[str, str | None]:
        """Groups whose `step`, which counts within an epoch, is made one of the whole run."""
        step, steps = number(groups.get("step") or ""), number(groups.get("steps") or "")
        if step is None or steps is None or not math.isfinite(step + steps):
            return groups
        epochs = self.state.slots.get(slot, 1) - 1
        return {**groups, "step": str(int(step) + epochs * int(steps))}

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

    def tell(self, compiled: CompiledRule, match: Any, at: At) -> None:
        """Facts that a line tells, where they are new."""
        rule = compiled.rule
        told = [(key, (match.group(group) or "").strip()) for group, key in rule.facts.items()]
        for key, text in (*told, *rule.tells.items()):
            if _GROUPED.fullmatch(text):
                text = text.replace(",", "")
            if text and self.state.facts.get(key) != text:
                self.state.facts[key] = text
                place = (self.source.file, at.line, at.offset)
                self.events.append(RunFact(*place, at.time, at.time_is, key, text[:4096]))

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
        self.events.append(Interval(*place, time_is, lane, state, step, start, end, lasted, key, labels))

    def _step(self, slot: str | None, add: int, text: str | None) -> int | None:
        if text is not None:
            if text.isdecimal() and len(text) < 19:
                return int(text)
            value = number(text)
            return int(value) if value is not None and math.isfinite(value) else None
        if slot is not None and slot in self.state.slots:
            return self.state.slots[slot] + add
        return None


def _word(rule: Rule, template: str, match: Any) -> str:
    """The name of a state, with the pattern's groups filled in and translated."""
    if "{" not in template:
        return template
    text = filled(template, match)
    return rule.words.get(text, text)


def _agree(exact: float, rounded: float) -> bool:
    """Whether one is the other, perhaps rounded to four decimals or digits."""
    return math.isclose(exact, rounded, rel_tol=1e-3, abs_tol=6e-5) or (math.isnan(exact) and math.isnan(rounded))
