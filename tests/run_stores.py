"""Stores made of events, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rli_agent.events import Event, Interval, Labels, Phase, Plan, Problem, Samples, Shape
from rli_agent.store.run_store import RunRow, RunStore

FILE = "logs/trainer.log"
BEGIN = 1.76e9


def open_store(folder: Path, run: str = "one-00000000") -> RunStore:
    return RunStore.open(folder / "runs" / run / "run.sqlite", RunRow(run, str(folder / run), BEGIN))


def shape(*names: str, metrics: Sequence[str | None] = (), units: Sequence[str | None] = (), labels: Labels = (),
          plan: Plan | None = None) -> Shape:  # fmt: skip
    nothing = (None,) * len(names)
    return Shape(names, tuple(units) or nothing, tuple(metrics) or nothing, labels, plan)


def line(of: Shape, step: int | None, *values: float | str, time: float | None = None, file: str = FILE) -> Samples:
    """A line whose figures are `values`, a second after the one of the step before."""
    at = BEGIN + (step or 0) if time is None else time
    figures = [float(value) for value in values]
    return Samples(file, (step or 0) + 1, (step or 0) * 100, at, "logged", step, of, figures, json.dumps(values))


def interval(lane: str, state: str, start: float, seconds: float | None, step: int | None = None) -> Interval:
    """A state with a line of its own, from `start` seconds after the beginning; seconds: None while it is open."""
    begin = BEGIN + start
    end = None if seconds is None else begin + seconds
    return Interval(FILE, int(start * 1000) + 1, 0, "logged", lane, state, step, begin, end, seconds)


def problem(text: str, at: float, *, kind: str = "other", level: str = "ERROR", step: int | None = None) -> Problem:
    return Problem(FILE, int(at) + 1, 0, BEGIN + at, "logged", level, kind, text, 1, step)  # type: ignore[arg-type]


def phases(lane: str, *states: str) -> Plan:
    """A line prints the seconds of the step, then those of each of these states."""
    inside = (Phase(place, state, f"timing/{state}", "inside") for place, state in enumerate(states, 1))
    return Plan(lane, (Phase(0, "step", "timing/step", "step"), *inside))


def keep(store: RunStore, *events: Event) -> Path:
    store.commit(events, [])
    return store.path
