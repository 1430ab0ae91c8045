"""The newest figures of the run's inference engines."""

from __future__ import annotations

import math
import sqlite3

from msgspec import Struct

from rli_agent.catalogue import Catalogue, base_factor
from rli_agent.query.series import Named, named
from rli_agent.store.rows import values_of

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
    found: dict[tuple[str, str], dict[str, Figure]] = {}
    for shape, columns in named(db):
        wanted = [(at, one) for at, one in enumerate(columns) if _is_of_engine(one)]
        if not wanted:
            continue
        row = db.execute("SELECT max(id), step, time, values_json FROM lines WHERE shape = ?", (shape,)).fetchone()
        if row[0] is None:
            continue
        _, step, time, text = row
        values = values_of(text)
        for at, one in wanted:
            figure = _figure(one, values[at], step, time, catalogue)
            role = one.labels.get("role", "")
            figures = found.setdefault((one.labels.get("engine") or one.labels.get("rank") or role, role), {})
            before = figures.get(figure.name)
            if (before is None and len(figures) < _MOST) or (before is not None and (before.time or 0) <= (time or 0)):
                figures[figure.name] = figure
    return Engines(
        [
            Engine(name, role, sorted(figures.values(), key=lambda f: (f.metric is None, f.metric or f.name)))
            for (name, role), figures in sorted(found.items())
        ]
    )


def _is_of_engine(one: Named) -> bool:
    return "engine" in one.labels or (one.metric or one.name).startswith(_OF_ENGINES)


def _figure(one: Named, printed: float, step: int | None, time: float | None, catalogue: Catalogue) -> Figure:
    quantity = catalogue.get(one.metric) if one.metric is not None else None
    value = printed * (base_factor(one.unit) if quantity is not None else 1.0)
    more = " ".join(value for name, value in one.labels.items() if name not in ("engine", "rank", "role"))
    return Figure(
        f"{one.name} {more}".strip(), one.metric, quantity.unit if quantity is not None else one.unit,
        value if math.isfinite(value) else None, step, time, quantity.help if quantity is not None else None,
    )  # fmt: skip
