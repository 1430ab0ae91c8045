"""The one vocabulary that all stages share: what a run's text can say.

Every event carries where it stands (`file` relative to the run, `line` counted from 1 by newlines alone, `offset` in
bytes of the line's first byte) and when it was true (`time` in Unix seconds, `time_is` for how that is known).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, TypeAlias

from msgspec import Struct

from rli_agent.rollout_statistics import RolloutStatistics

#: "logged": the text gives it; "observed": the moment of reading; "estimated": rebuilt from durations and file times.
TimeIs: TypeAlias = Literal["logged", "observed", "estimated"]
Labels: TypeAlias = tuple[tuple[str, str], ...]
Attributes: TypeAlias = tuple[tuple[str, str | int | float | bool], ...]
Reader: TypeAlias = Literal["text", "records", "table", "tensorboard", "wandb", "history", "events"]
Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

#: Readers of files that only loggers of metrics write: they hold what the console shows, later and in full.
METRIC_FILES = frozenset({"tensorboard", "wandb", "history", "events"})

STATES = (
    "step", "rollout", "reward", "log_prob", "ref_log_prob", "values", "advantage", "update_critic", "update_actor",
    "train", "weight_sync", "save_ckpt", "eval", "wait", "load_data", "data_preprocess", "onload", "offload", "sleep",
    "wake", "pause", "resume", "compile", "load",
)  # fmt: skip

PROBLEM_KINDS = (
    "cuda_oom", "nccl", "nan", "timeout", "oom_kill", "env_error", "ckpt", "weight_sync", "job_preempted",
    "kv_preemption", "disk_full", "worker_death", "hardware", "traceback", "other",
)  # fmt: skip


class Source(Struct, frozen=True):
    """A file of the run and what discovery knows of it.

    `file` is relative to the run's root. `role` is who writes it (trainer, orchestrator, inference, env, router,
    launcher, metrics, rollouts, unknown), `lane` the row of the timeline that its states belong to. `packs` are the
    names of the rule packs that read it, the framework's first. `reader` is what the file is made of: lines, JSON
    lines, or what one of the `METRIC_FILES` holds.
    """

    file: str
    role: str = "unknown"
    lane: str = ""
    reader: Reader = "text"
    packs: tuple[str, ...] = ()
    labels: Labels = ()


def role_of(labels: Labels, source: Source) -> str:
    """Who says so: a record may name its writer, else it is who writes the file."""
    for name, value in labels:
        if name == "role":
            return value
    return source.role


class Phase(Struct, frozen=True, array_like=True):
    """A duration that a metric line prints, and the state that lasted so long. `key` is the framework's own name of it.

    part: "step" is the whole step; "inside" the step, one after the other from its start; "ending" likewise, but up to
    its end; "after" the step and before the line; "outside" overlaps the step and ended with it.
    """

    index: int
    state: str
    key: str
    part: Literal["step", "inside", "ending", "after", "outside"]


class Plan(Struct, frozen=True, dict=True):
    """The states of a lane that a metric line's durations tell of, each part in the order in which it ran."""

    lane: str
    phases: tuple[Phase, ...]

    @cached_property
    def parts(self) -> tuple[list[int], list[int], list[int]]:
        """Which durations are the whole step's, which add up to it where it is not told, which came after it."""
        step = [phase.index for phase in self.phases if phase.part == "step"]
        inside = [phase.index for phase in self.phases if phase.part in ("inside", "ending")]
        after = [phase.index for phase in self.phases if phase.part == "after"]
        return step[-1:], inside, after


class Declared(Struct, frozen=True):
    """What a program said of its metric: what the values are, and, of a histogram, the upper bounds of its buckets."""

    kind: Literal["gauge", "counter", "histogram"]
    help: str = ""
    bounds: tuple[float, ...] = ()


class Shape(Struct, frozen=True):
    """What a metric line holds besides its numbers: one object for all lines of the same make.

    `metrics[i]` is the common name of `names[i]`, where there is one; `units[i]` its printed unit ("percent", "s" …).
    `plan`: the states that its durations tell of (parsers/timeline.py lays them out in time). `declared`: where a
    program calls `rli_agent.api`.
    """

    names: tuple[str, ...]
    units: tuple[str | None, ...]
    metrics: tuple[str | None, ...]
    labels: Labels = ()
    plan: Plan | None = None
    declared: Declared | None = None

    @property
    def is_tallied(self) -> bool:
        """Whether the values are to be added up, a counter's or a histogram's, and are no figures by themselves."""
        return self.declared is not None and self.declared.kind != "gauge"


class Samples(Struct, gc=False):
    """All metrics of one line or record. `printed` is a JSON array of the values as the text has them; non-finite
    ones are the strings "NaN", "Infinity" and "-Infinity". `values` are the same as floats. The store takes the array
    as it is: whoever makes one has encoded it, or read it as JSON."""

    file: str
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    step: int | None
    shape: Shape
    values: Sequence[float]
    printed: str


class Interval(Struct, gc=False):
    """A lane in a state. `end` is None while it is open. `duration` is as printed, where the text prints one.

    One without length and duration only says that the state is over. States that a metric line's durations tell of
    are no events of their own: they follow from `Samples` by its shape's plan. `key` is the framework's own word.
    `attributes` are those of its span, no labels of a series.
    """

    file: str
    line: int
    offset: int
    time_is: TimeIs
    lane: str
    state: str
    step: int | None
    start: float | None
    end: float | None
    duration: float | None = None
    key: str | None = None
    labels: Labels = ()
    attributes: Attributes = ()

    @property
    def seconds(self) -> float | None:
        """How long it lasted, as printed, else from start to end; None where neither tells."""
        if self.duration is not None or self.start is None or self.end is None:
            return self.duration
        return self.end - self.start


class Problem(Struct):
    """Something went wrong. `message` is the line or the whole traceback, bounded; `count` what the text repeats."""

    file: str
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    level: Level
    kind: str
    message: str
    count: int = 1
    step: int | None = None
    rule: str | None = None
    labels: Labels = ()


class RolloutBatch(Struct):
    """The rollouts of one step, environment and phase, as found in one file.

    A file that grows gives the same batch again: `total` is all of it so far, `added` what is new since the last time
    (None: all).
    """

    file: str
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    step: int | None
    phase: Literal["train", "eval"]
    environment: str
    total: RolloutStatistics
    added: RolloutStatistics | None = None

    @property
    def count(self) -> int:
        return self.total.count


class RunFact(Struct):
    """Something constant about the run: framework, model, max_steps, project, experiment, engine address …"""

    file: str
    line: int
    offset: int
    time: float | None
    time_is: TimeIs
    key: str
    value: str
    confidence: float | None = None


Event: TypeAlias = Samples | Interval | Problem | RolloutBatch | RunFact


def as_printed(value: float | int | str) -> float | int | str:
    """The JSON form of a figure: NaN and infinities are strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
