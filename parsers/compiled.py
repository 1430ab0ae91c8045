"""Rules made ready for one kind of source: patterns compiled, literals collected, names resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

import regex

from rli_agent.events import Labels, Shape, Source
from rli_agent.parsers.blocks import keys_of
from rli_agent.parsers.literals import opening_of, required_literals, searched
from rli_agent.parsers.packs import Layout, Named, Pack, Rule, Skip, When
from rli_agent.parsers.scanner import Scanner
from rli_agent.parsers.timeline import plan_of

#: A pattern may look at one line for this long (seconds); one that needs longer this often is switched off.
PATTERN_TIMEOUT = 0.1
TIMEOUTS_ALLOWED = 3
#: Literals of what is handled without a rule: level words, positions in C++ sources (before which Ray and c10d write a
#: letter for the level), tracebacks.
LEVEL_LITERALS = ("WARN", "ERROR", "CRITICAL", "FATAL", ".cc:", ".cpp:")
TRACEBACK_LITERAL = "Traceback (most recent call last)"


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """A pattern, compiled once for all rules and sources that share it."""
    return regex.compile(pattern)


def found_in(pattern: str, text: str) -> bool:
    """Whether a pattern is found within the time allowed."""
    try:
        return compiled(pattern).search(text, timeout=PATTERN_TIMEOUT) is not None
    except TimeoutError:
        return False


class CompiledRule:
    """A rule whose pattern is compiled when a line first holds one of its literals: most rules meet none in a run.

    `timeouts` counts how often it ran out of time, `untold` how often of that nobody was told; `off` when that was too
    often.
    """

    def __init__(self, rule: Rule, pack: Pack) -> None:
        self.rule = rule
        self.pack = pack.pack
        self.kind = pack.kind
        self.first_rank = pack.first_rank
        self.levels = frozenset(rule.when.level) if rule.when and rule.when.level else None
        given = [rule.contains] if isinstance(rule.contains, str) else rule.contains
        self.literals = tuple(given) or required_literals(rule.pattern)
        self.timeouts = self.untold = 0
        self.off = False
        self.id = f"{pack.pack}/{rule.id}"
        #: The line is figures and nothing else: what is read by the shortest way.
        bare = Rule(rule.id, rule.pattern, rule.contains, pairs=rule.pairs, metrics=rule.metrics, closes=rule.closes)
        names = rule.pairs.names.values() if rule.pairs is not None else ()
        #: No name depends on what else the line says.
        self.figures_repeat = not any("{" in (n if isinstance(n, str) else n.name) for n in names if n is not None)
        self.figures_only = rule == bare and (rule.pairs is not None or bool(rule.metrics))

    @cached_property
    def rx(self) -> Any:
        return compiled(self.rule.pattern)

    @cached_property
    def opening(self) -> re.Pattern[str] | None:
        """What stands before the figures of a line that is nothing else; it needs no time limit. None where the
        pattern is of another form."""
        pairs = self.rule.pairs
        if not self.figures_only or pairs is None or self.rule.metrics or pairs.names or pairs.read != "assigned":
            return None
        found = opening_of(self.rule.pattern, pairs.source)
        return re.compile(found) if found is not None else None

    def fits(self, slots: Mapping[str, int]) -> bool:
        """Whether the rule holds with these numbers remembered."""
        when = self.rule.when
        return when is None or slots.keys().isdisjoint(when.unset)

    def search(self, text: str, start: int = 0) -> Any:
        """The match, or None; None too where the pattern runs out of time, and where nothing is left to look at."""
        if start and start == len(text):
            return None
        unless = self.rule.unless
        try:
            match = self.rx.search(text, start, timeout=PATTERN_TIMEOUT)
            if match is not None and unless and compiled(unless).search(text, timeout=PATTERN_TIMEOUT):
                return None
            return match
        except TimeoutError:
            self.timeouts += 1
            self.untold += 1
            self.off = self.timeouts >= TIMEOUTS_ALLOWED
            return None


def holds(
    when: When | None, source: Source, files: Sequence[str] = (), known: dict[tuple[str, ...], bool] | None = None
) -> bool:
    """Whether a condition holds for a source of a run with these files (level words are looked at line by line).

    `known`: which globs one of these files fits, as far as that was asked before; what is found out is added.
    """
    if when is None:
        return True
    known = {} if known is None else known

    def any_of(globs: Iterable[str], names: Iterable[str]) -> bool:
        return any(fnmatchcase(name, glob) for glob in globs for name in names)

    def there(globs: Sequence[str]) -> bool:
        key = tuple(globs)
        if key not in known:
            known[key] = any_of(key, files)
        return known[key]

    path = (source.file,)
    return (
        (not when.role or source.role in when.role)
        and (not when.path or any_of(when.path, path))
        and not any_of(when.not_path, path)
        and (not when.exists or there(when.exists))
        and (not when.not_exists or not there(when.not_exists))
    )


class RuleSet:
    """All that reads the text of one kind of source: rules by literal, regions to skip, layouts, names.

    `files` are the run's files as paths relative to it (for `exists` conditions). `make` makes a rule ready.
    """

    def __init__(
        self, packs: Sequence[Pack], source: Source, files: Sequence[str] = (),
        make: Callable[[Rule, Pack], CompiledRule] = CompiledRule,
    ) -> None:  # fmt: skip
        self.source = source
        self.rules = [make(r, p) for p in packs for r in p.rules if holds(r.when, source, files)]
        if sum(p.kind == "framework" for p in packs) > 1:  # nobody's file: what one of them passes over is an engine's
            self.rules.sort(key=_after_engines)
        self.strip = [compiled(s) for p in packs for s in p.strip]
        self.tags = [compiled(p.tag) for p in packs if p.tag]
        self.skips: list[Skip] = [s for p in packs for s in p.skip]
        self.skip_start = [compiled(s.start) for s in self.skips]
        self.skip_end = [compiled(s.end) for s in self.skips]
        self.layouts: list[Layout] = [y for p in packs for y in p.layouts if holds(y.when, source, files)]
        self.block_keys = keys_of(self.layouts)
        self.first_rank = any(p.first_rank for p in packs)
        self.bars = [r for r in self.rules if r.rule.on == "bar"]
        self.repeats = any(r.rule.repeats for r in self.rules)
        self.labels: Labels = tuple(sorted({"role": source.role, **dict(source.labels)}.items()))
        self._globs = [(k, v) for p in packs for k, v in p.catalogue.items() if "*" in k]
        self._names: dict[str, str | None] = {
            k: v for p in reversed(packs) for k, v in p.catalogue.items() if "*" not in k
        }
        for p in packs:
            self._names.update({old: self._names[new] for old, new in p.aliases.items() if new in self._names})
        self._units = {key: unit for p in reversed(packs) for key, unit in p.units.items()}
        self._shapes: dict[Any, Shape] = {}
        self._index()

    def _index(self) -> None:
        by_literal: dict[str, list[int]] = {}
        self._always: list[int] = []
        for i, rule in enumerate(self.rules):
            for literal in rule.literals:
                by_literal.setdefault(searched(literal), []).append(i)
            if not rule.literals:
                self._always.append(i)
        region = {
            searched(literal)
            for begin_or_end in (*self.skip_start, *self.skip_end)
            for literal in required_literals(begin_or_end.pattern)
        }
        for literal in (*LEVEL_LITERALS, TRACEBACK_LITERAL, *sorted(region)):
            by_literal.setdefault(literal, [])
        self._rules_of = list(by_literal.values())
        kept = {*LEVEL_LITERALS, TRACEBACK_LITERAL, *region}
        idle = {
            literal.encode()
            for literal, rules in by_literal.items()
            if literal not in kept and all(self.rules[i].rule.ignore and not self.rules[i].rule.problem for i in rules)
        }
        self.scanner = Scanner([literal.encode() for literal in by_literal], idle, every_line=bool(self._always))
        names = list(by_literal)
        self.region_ids = frozenset(names.index(literal) for literal in region)
        self.level_ids = frozenset(names.index(literal) for literal in LEVEL_LITERALS)
        self.traceback_id = names.index(TRACEBACK_LITERAL)
        self._marks = self.region_ids | self.level_ids | {self.traceback_id}
        #: By literal: the rule that no other rule can come before, if it takes a line with this literal.
        first = self.rules[0] if self.rules else None
        plain = not (self.bars or self.repeats or self.strip or self.first_rank)
        leads = first is not None and first.figures_only and plain
        self.leading = [first if leads and rules[:1] == [0] else None for rules in self._rules_of]
        self._by_found: dict[frozenset[int], tuple[CompiledRule, ...]] = {}

    def rules_for(self, found: frozenset[int]) -> tuple[CompiledRule, ...]:
        """The rules that a line with these literals may match, in the order of their packs."""
        rules = self._by_found.get(found)
        if rules is None:
            chosen = sorted({r for i in found for r in self._rules_of[i]}.union(self._always))
            rules = self._by_found[found] = tuple(self.rules[i] for i in chosen if self.rules[i].rule.on != "bar")
        return rules

    def needs(self, found: frozenset[int]) -> bool:
        """Whether a line with these literals must be looked at: not where they are only those of progress bars."""
        return bool(self.rules_for(found)) or not self._marks.isdisjoint(found)

    @property
    def without_literal(self) -> list[CompiledRule]:
        """Rules that must look at every line, which makes reading slow."""
        return [self.rules[i] for i in self._always]

    def common_name(self, name: str) -> str | None:
        """The common metric of a native key, by exact name, alias or glob."""
        known = self._names.get(name, "")
        if known != "":
            return known
        self._names[name] = found = next((v for glob, v in self._globs if fnmatchcase(name, glob)), None)
        return found

    def shape(self, names: tuple[str, ...], units: tuple[str | None, ...], extra: Mapping[str, str]) -> Shape:
        """The one Shape object of these names, units and labels (the source's own labels included)."""
        key = (names, units, tuple(sorted(extra.items())))
        shape = self._shapes.get(key)
        if shape is None:
            labels = self.labels if not extra else tuple(sorted({**dict(self.labels), **extra}.items()))
            plan = plan_of(self.layouts, names, self.source.lane or self.source.role)
            if self._units:
                units = tuple(u or self._units.get(n) for n, u in zip(names, units, strict=True))
            shape = Shape(names, units, tuple(self.common_name(n) for n in names), labels, plan)
            if len(self._shapes) < 10_000:
                self._shapes[key] = shape
        return shape


def _after_engines(rule: CompiledRule) -> int:
    if rule.kind == "problems":
        return 2
    return int(rule.kind == "generic" or (rule.kind == "framework" and rule.rule.ignore and rule.rule.problem is None))


def named(spec: str | Named) -> Named:
    """The long form of a metric's name."""
    return Named(spec) if isinstance(spec, str) else spec
