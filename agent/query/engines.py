"""The newest figures of the run's inference engines."""

from __future__ import annotations

import math
import sqlite3

from msgspec import Struct

from rli_agent.catalogue import Catalogue, base_factor
from rli_agent.store.latest import Latest, latest

_OF_ENGINES = ("vllm:", "sglang:", "rl_engine_")
#: Figures of one engine.
_MOST = 500


class Figure(Struct, frozen=True):
    """A figure, in its base unit where it has a common name; null where it is not finite. `time` in Unix seconds."""

    name: str
    metric: str | None
    unit: str | None
    value: float | None
    step: int | None
    time: float | None
    help: str | None


class Engine(Struct, frozen=True):
    """An engine, called as its labels do, or after the role whose log tells of it; figures with a common name first."""

    engine: str
    role: str
    figures: list[Figure]


class Engines(Struct, frozen=True):
    """The engines that a run told of, or that answered the agent."""

    engines: list[Engine]


def engines(db: sqlite3.Connection, catalogue: Catalogue) -> Engines:
    """The newest figures, engine by engine."""
    found: dict[tuple[str, str], list[Figure]] = {}
    for one in latest(db):
        labels = dict(one.labels)
        if "engine" not in labels and not (one.metric or one.name).startswith(_OF_ENGINES):
            continue
        role = labels.pop("role", "")
        key = (labels.pop("engine", "") or labels.get("rank", "") or role, role)
        figures = found.setdefault(key, [])
        if len(figures) < _MOST:
            figures.append(_figure(one, labels, catalogue))
    return Engines(
        [
            Engine(name, role, sorted(figures, key=lambda f: (f.metric is None, f.metric or f.name)))
            for (name, role), figures in sorted(found.items())
        ]
    )


def _figure(one: Latest, labels: dict[str, str], catalogue: Catalogue) -> Figure:
    quantity = catalogue.get(one.metric) if one.metric is not None else None
    value = one.value * (base_factor(one.unit) if quantity is not None else 1.0)
    more = " ".join(value for name, value in labels.items() if name != "rank")
    return Figure(
        f"{one.name} {more}".strip(), one.metric, quantity.unit if quantity is not None else one.unit,
        value if math.isfinite(value) else None, one.step, one.time, quantity.help if quantity is not None else None,
    )  # fmt: skip
