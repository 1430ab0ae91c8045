"""Which rule takes which line: the parser itself, watched at its work, a line at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Literal

from msgspec import Struct

from rli_agent.events import Event, Source
from rli_agent.parsers.compiled import CompiledRule, RuleSet
from rli_agent.parsers.headers import read_header
from rli_agent.parsers.packs import Pack, Rule
from rli_agent.parsers.source_parser import EVERYBODY, SourceParser

#: Why a line that no rule took says nothing new. ``: nobody knows it.
Reason = Literal["", "blank", "problem", "echoed"]


class Taken(Struct, frozen=True):
    """Who took a line: ids of rules (`pack/rule`), or why none did. `message`: what the rules saw of it."""

    rules: tuple[str, ...]
    reason: Reason
    message: str
    events: list[Event]


class LineExplainer(SourceParser):
    """A SourceParser that says of each line who took it. Slow: for one file at a time, and people."""

    def __init__(self, source: Source, packs: Sequence[Pack], files: Sequence[str], zone: tzinfo, time: float) -> None:
        hits = self._hits = list[str]()

        class WatchedRule(CompiledRule):
            opening = None  # no line is read without a search

            def search(self, text: str, start: int = 0) -> Any:
                match = super().search(text, start)
                if match is not None:
                    hits.append(self.id)
                return match

        def watched(rule: Rule, pack: Pack) -> CompiledRule:
            return WatchedRule(rule, pack)

        super().__init__(source, RuleSet(packs, source, files, watched), zone, time)
        self._reason: Reason = ""

    def explain(self, raw: bytes, line: int, offset: int) -> Taken:
        """Read the next line (without its newline)."""
        self._hits.clear()
        self._reason = ""
        events = self.feed(raw + b"\n", offset, line)
        unwrapped = self._unwrapping.text_of(raw)
        message = read_header(unwrapped.text.decode("utf-8", "replace")).message
        if not message.strip():
            self._reason = "blank"
        elif any(line in (i.line, i.last_line) for i in self.state.problems.incidents.values()):
            self._reason = "problem"
        elif self.state.regions.keys() & {unwrapped.origin.who, EVERYBODY}:
            self._reason = "echoed"
        return Taken(tuple(dict.fromkeys(self._hits)), self._reason, message, events)

    def _goes_on(self, raw: bytes, line: int, candidate: bool) -> bool:
        mine = super()._goes_on(raw, line, candidate)
        if mine:
            self._reason = "problem"
        return mine

    def _skipped(self, message: Any, header: Any, who: str, line: int) -> bool:
        skipped = super()._skipped(message, header, who, line)
        if skipped:
            self._reason = "echoed"
        return skipped
