"""The answer as data: what reporters render and what `rli-agent status --json` prints (docs/status.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from rli_agent.machine.gpus import Gpu
from rli_agent.machine.processes import Process
from rli_agent.machine.slurm import Job

#: Goes up when a field changes its meaning or goes away; new fields may come at any time.
VERSION = 1

#: Unknown: nothing of the run could be read.
Health: TypeAlias = Literal["Healthy", "Degraded", "Down", "Unknown"]
#: By how much a run needs somebody, the most first.
URGENCY: dict[Health, int] = {"Down": 0, "Degraded": 1, "Unknown": 2, "Healthy": 3}
#: Exit codes of commands: what a script asks for.
EXIT_CODES: dict[Health, int] = {"Healthy": 0, "Degraded": 1, "Down": 2, "Unknown": 2}


class RunFacts(Struct, frozen=True, omit_defaults=True):
    """Which run. `root` is where it writes; `watched`: an agent follows it now, into `store`; `attempt` counts its
    starts; `gpus`: by its configuration."""

    id: str
    root: str
    store: str | None = None
    watched: bool = False
    framework: str | None = None
    model: str | None = None
    project: str | None = None
    experiment: str | None = None
    environments: list[str] = []
    batch_size: str | None = None
    gpus: int | None = None
    attempt: int = 1
    resumed_from: int | None = None


class Progress(Struct, frozen=True, omit_defaults=True):
    """How far it is. Times are Unix seconds, `step_seconds` what passes from one step to the next, usually."""

    life: str
    step: int | None = None
    max_steps: int | None = None
    step_seconds: float | None = None
    last_step_at: float | None = None
    last_written_at: float | None = None
    finishes_at: float | None = None
    checkpoint_step: int | None = None
    checkpoint_at: float | None = None


#: A value; of one that is not finite, its name: JSON has no such numbers.
Figure: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]


class Spike(Struct, frozen=True):
    """A value far from what the steps before it had: `median` is theirs, `distance` counted in their deviations, None
    where no number says how far."""

    step: int | None
    value: Figure
    median: float | None
    distance: float | None


class Series(Struct, frozen=True, omit_defaults=True):
    """A metric by its common name (docs: rules/catalogue.yaml), in its base unit. `values` are the newest ones, the
    last one last; `median` is that of those before the last. `spikes` are among the newest ten. `environment`: it is
    the metric of this one only."""

    metric: str
    value: Figure
    step: int | None = None
    median: float | None = None
    values: list[Figure] = []
    spikes: list[Spike] = []
    environment: str | None = None


class LaneState(Struct, frozen=True, omit_defaults=True):
    """What a lane does now, and for how many seconds."""

    lane: str
    state: str
    seconds: float
    usual_seconds: float | None = None


class Share(Struct, frozen=True):
    """What part of its steps a lane spends in a state, usually (0 to 1)."""

    lane: str
    state: str
    seconds: float
    share: float


class Performance(Struct, frozen=True, omit_defaults=True):
    """Durations are medians in seconds. `waits` says in words who waits for whom, where somebody does."""

    trainer_step_seconds: float | None = None
    orchestrator_step_seconds: float | None = None
    shares: list[Share] = []
    waits: str | None = None
    env_lag_seconds: float | None = None
    series: list[Series] = []


class Trouble(Struct, frozen=True, omit_defaults=True):
    """A problem that the logs show."""

    kind: str
    level: str
    message: str
    file: str
    line: int
    time: float | None = None
    step: int | None = None
    count: int = 1


class Told(Struct, frozen=True, omit_defaults=True):
    """What the agent told of its own accord. `open`: it is not over."""

    kind: str
    severity: str
    title: str
    time: float
    open: bool = False


class FileState(Struct, frozen=True, omit_defaults=True):
    """A file of the run: its size, how much of it was not read yet (bytes), when it was last written."""

    file: str
    role: str
    size: int | None
    lag: int
    written_at: float | None = None


class Report(Struct, frozen=True, omit_defaults=True):
    """How a run is at `time` (Unix seconds). `answer` says it in one sentence, `reasons` why `health` is what it is."""

    version: int
    time: float
    answer: str
    health: Health
    reasons: list[str]
    run: RunFacts
    progress: Progress
    quality: list[Series] = []
    stability: list[Series] = []
    performance: Performance = Performance()
    lanes: list[LaneState] = []
    usual: list[LaneState] = []
    problem_count: int = 0
    problems: list[Trouble] = []
    messages: list[Told] = []
    files: list[FileState] = []
    processes: list[Process] = []
    gpus: list[Gpu] = []
    job: Job | None = None


def of_late(reports: Sequence[Report]) -> Sequence[Report]:
    """Of several runs those that count: written within a day of the newest."""
    newest = max(report.progress.last_written_at or 0.0 for report in reports)
    return [report for report in reports if (report.progress.last_written_at or 0.0) >= newest - 86_400.0]


def brief(report: Report) -> Report:
    """The same without what only a screen can show: curves, and files that have been read to their end."""

    def short(series: list[Series]) -> list[Series]:
        return [replace(one, values=[]) for one in series]

    return replace(
        report, quality=short(report.quality), stability=short(report.stability), usual=[],
        performance=replace(report.performance, series=short(report.performance.series)),
        files=[file for file in report.files if file.lag],
    )  # fmt: skip
