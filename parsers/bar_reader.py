"""Progress bars: the figures that they carry, and the step that they tell for the line before."""

from __future__ import annotations

from typing import Any

import msgspec

from rli_agent.events import Samples, Source
from rli_agent.parsers.bars import bars
from rli_agent.parsers.batched import MOST, Held, steps_of
from rli_agent.parsers.compiled import CompiledRule, RuleSet
from rli_agent.parsers.match_reader import MatchReader
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.problem_reader import At
from rli_agent.parsers.quantities import number
from rli_agent.parsers.wrappers import Origin

#: What differs between two refreshes of a bar: figures, and the blocks that it is drawn with (U+2588 to U+258F).
_REFRESHED = b"0123456789.,? #\xe2\x96" + bytes(range(0x88, 0x90))
#: Texts between carriage returns among which the first bar of a line stands.
FIRST = 8
#: Makes of lines that are remembered, and the longest of them in bytes.
MAKES, LONGEST = 1_000, 4_096


class BarReader:
    """Reads the bars of one source."""

    def __init__(self, source: Source, rules: RuleSet, state: ParserState, matches: MatchReader) -> None:
        self._source = source
        self._rules = rules
        self._state = state
        self._matches = matches
        self._barren: set[bytes] = set()
        self._after = [compiled for compiled in rules.rules if compiled.rule.step_after]

    def is_barren(self, raw: bytes) -> bool:
        """Whether a line is of a make that is known to say nothing. Most bars are an engine's or a loader's, and are
        drawn hundreds of times."""
        return raw.find(b"%|") >= 0 and _make(raw) in self._barren

    def passed(self, raw: bytes) -> None:
        """A line, and with it those of its make, said nothing."""
        make = _make(raw)
        if len(make) <= LONGEST and len(self._barren) < MAKES:
            self._barren.add(make)

    def read(self, raw: bytes, line: int, offset: int, now: float | None) -> bool:
        """Show the bars of a line to the rules on bars; whether one took a bar. Of refreshes that say the same the last
        one counts."""
        found = [hit for text in bars(raw, self._state.capture) if (hit := self._bar(text)) is not None]
        self._state.bar_since = self._state.bar_since or any(compiled.rule.sets for compiled, _ in found)
        at = At(line, offset, now, "observed" if now is not None else "estimated", Origin(), None)
        for i, (compiled, match) in enumerate(found):
            pairs = compiled.rule.pairs
            said = match.group(pairs.source) if pairs is not None else None
            if said is not None:
                again = next((m.group(pairs.source) for c, m in found[i + 1 :] if pairs and c is compiled), None)
                if said in (again, self._state.drawn.get(compiled.id)):
                    continue
                self._state.drawn[compiled.id] = said
            self._matches.figures(compiled, match, at)
        return bool(found)

    def release(self, data: bytes, at: int, last: bool = False) -> None:
        """Give the figures that were held back, once the line behind theirs is there (it begins at `at`).

        Figures that stand one behind the other, with no bar between, were written in a batch, and wait for its end.
        """
        state = self._state
        held = state.held
        if held is None or (at >= len(data) and not last):
            return
        state.held = None
        stop = data.find(b"\n", at)
        behind = data[at : stop if stop >= 0 else None]
        glued, state.glued = state.glued, None
        if glued is not None:
            held.step = glued
        elif self._figures(behind) and len(state.batch) < MOST:
            state.batch.append(held)
            state.glued = self._first_step(held, behind)
            return
        elif not state.batch:
            self._alone(held, behind)
            return
        lines, state.batch = [*state.batch, held], []
        total = state.facts.get("max_steps", "")
        known: list[int | None] = [None] * len(lines)
        if state.bar_since or glued is not None:
            known = steps_of(lines, state.pace, glued is not None, int(total) if total.isdecimal() else None)
        for line, step in zip(lines, known, strict=True):
            self._say(line, step)
        state.bar_since = glued is not None

    def _alone(self, held: Held, behind: bytes) -> None:
        """Give figures that were written at once: behind them the bar is drawn anew, perhaps further than before."""
        first = self._first_step(held, behind)
        before = held.step if self._state.bar_since or first is not None else None
        step = first if before is None or (first is not None and first > before) else before  # lower: another bar's
        self._state.pace.went(held, step)
        self._say(held, step)
        self._state.bar_since = False

    def _first_step(self, held: Held, raw: bytes) -> int | None:
        """The step that the first bar of a line tells."""
        for text in bars(b"\r".join(raw.split(b"\r", FIRST)[:FIRST]), self._state.capture):
            hit = self._bar(text, held.slot)
            if hit is not None:
                group = next(g for g, slot in hit[0].rule.sets.items() if slot == held.slot)
                value = number(hit[1].group(group) or "")
                return int(value) + held.add if value is not None else None
        return None

    def _say(self, held: Held, step: int | None) -> None:
        shape = self._rules.shape(held.names, held.units, held.labels)
        values = [float(v) for v in msgspec.json.decode(held.printed)]
        place = (self._source.file, held.line, held.offset)
        self._matches.say(Samples(*place, held.time, held.time_is, step, shape, values, held.printed))

    def _figures(self, raw: bytes) -> bool:
        """Whether more figures follow whose step a bar tells."""
        text = raw.decode("utf-8", "replace")
        return any(not c.off and c.fits(self._state.slots) and c.search(text) is not None for c in self._after)

    def _bar(self, text: str, slot: str | None = None) -> tuple[CompiledRule, Any] | None:
        """The first rule that takes a bar (of those that set the slot), with its match."""
        for compiled in self._rules.bars:
            if slot is not None and slot not in compiled.rule.sets.values():
                continue
            if not compiled.off and compiled.fits(self._state.slots) and (match := compiled.search(text)) is not None:
                return compiled, match
        return None


def _make(raw: bytes) -> bytes:
    """What lines with the same bars have in common."""
    return raw.translate(None, _REFRESHED)
