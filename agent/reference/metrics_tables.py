"""The tables of docs/metrics.md, from the catalogue, the packs that ship, and the agent's own metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rli_agent.catalogue import Catalogue, Quantity
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.packs import Pack
from rli_agent.publish.naming import NAMESPACE, metric_name
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.rulebook import pack_files, packaged_rules


def common_metrics() -> str:
    """Every common metric: what it means, and which packs give it."""
    given: dict[str, list[str]] = {}
    for pack in _packs():
        for metric in dict.fromkeys(pack.catalogue.values()):
            given.setdefault(metric, []).append(pack.pack)
    head = ("name", "type", "unit", "more labels", "better", "healthy", "what", "packs that give it")
    return _table(head, (_common(quantity, given.get(quantity.name, [])) for quantity in Catalogue.load()))


def _common(quantity: Quantity, packs: list[str]) -> tuple[str, ...]:
    low, high = quantity.healthy or (None, None)
    ends = ("" if low is None else f"{low:g}", "" if high is None else f"{high:g}")
    healthy = f"{ends[0]} … {ends[1]}".strip() if quantity.healthy else ""
    what = f"{quantity.help}. {quantity.scale}".rstrip(". ") + "."
    labels, unit = ", ".join(quantity.labels), "" if quantity.unit == "none" else quantity.unit
    better = "" if quantity.better == "neither" else quantity.better
    return f"`{quantity.name}`", quantity.type, unit, labels, better, healthy, what, ", ".join(packs)


def native_metrics() -> str:
    """For each pack the native names that have a common one."""
    parts = []
    for pack in _packs():
        if pack.catalogue:
            rows = (
                (f"`{native}`", f"`{metric_name(NAMESPACE, native).replace('_*', '_…')}`", f"`{common}`")
                for native, common in pack.catalogue.items()
            )
            parts.append(f"### {pack.pack}\n\n{_table(('its own name', 'published as', 'common metric'), rows)}")
    return "\n".join(parts)


def own_metrics() -> str:
    """The metrics about the agent itself."""
    families = sorted(SelfMetrics().registry.collect(), key=lambda f: f.name)
    rows = (
        (f"`{f.name}{'_total' if f.type == 'counter' else ''}`", f.type, f.documentation.rstrip(".") + ".")
        for f in families
    )
    return _table(("name", "type", "what"), rows)


def switches() -> str:
    """Metrics that are there only where something is switched on."""
    rows = ((p.pack, ", ".join(f"`{m}`" for m in s.metrics), s.set) for p in _packs() for s in p.switches)
    return _table(("framework", "metrics", "switched on by"), rows)


def _packs() -> Iterator[Pack]:
    for path in pack_files():
        if path.parent == packaged_rules():
            yield load_pack(path, trusted=True)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
