"""A rule pack in short, for people: `rli-agent rules show`."""

from __future__ import annotations

from collections.abc import Iterator

from rli_agent.parsers.packs import Named, Pack, Rule


def summary(pack: Pack) -> Iterator[str]:
    """Lines of text: what the pack is, which files it reads, what each rule gives."""
    yield f"{pack.pack}: {pack.kind}, {len(pack.rules)} rules, {len(pack.examples)} examples"
    if pack.about:
        yield f"  {pack.about.strip()}"
    if pack.sources:
        yield "\nfiles"
        for source in pack.sources:
            has = f", with one of {', '.join(map(repr, source.has))}" if source.has else ""
            yield f"  {source.role}: {', '.join(source.paths)}{has}{', never read' if source.ignore else ''}"
    for name, entries in (("records", pack.records), ("rollouts", pack.rollouts)):
        if entries:
            yield f"\n{name}"
            for entry in entries:
                keys = f" with the keys {', '.join(entry.keys)}" if entry.keys else ""
                yield f"  {entry.id}: {', '.join(entry.paths) or 'any file'}{keys}"
    if pack.configs:
        yield "\nfacts from configurations"
        for fact, places in pack.configs.items():
            yield f"  {fact}: {', '.join(places)}"
    if pack.rules:
        yield "\nrules, the first that matches takes a line"
        for rule in pack.rules:
            yield f"  {rule.id}: {'; '.join(gives(rule)) or 'nothing'}"
            yield f"      {rule.pattern.strip()}"
    if pack.catalogue:
        yield "\ncommon metrics"
        for native, common in pack.catalogue.items():
            yield f"  {native} is {common}"
    if pack.switches:
        yield "\nmetrics that are there only where something is switched on"
        for switch in pack.switches:
            yield f"  {', '.join(switch.metrics)}: {switch.set}"


def gives(rule: Rule) -> Iterator[str]:
    """What a rule makes of a line, in words."""
    if rule.problem is not None:
        yield f"problem {rule.problem.kind}"
    elif rule.ignore:
        yield "ignored"
    names = [spec.name if isinstance(spec, Named) else spec for spec in rule.metrics.values()]
    if rule.pairs is not None:
        kept = [n.name if isinstance(n, Named) else n for n in rule.pairs.names.values() if n is not None]
        names += kept + (["every other key"] if rule.pairs.others == "keep" else [])
    if names:
        yield f"metrics {', '.join(names)}"
    for word, state in (("state", rule.state), ("begins", rule.begin), ("ends", rule.end)):
        if state is not None:
            yield f"{word} {state}"
    facts = [*rule.facts.values(), *rule.tells]
    if facts:
        yield f"facts {', '.join(facts)}"
    if rule.sets:
        yield f"remembers {', '.join(rule.sets.values())}"
