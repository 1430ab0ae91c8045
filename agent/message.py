"""What the agent tells people of its own accord: one message an incident, and one when it is over."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from rli_agent.events import Labels

Severity: TypeAlias = Literal["info", "warning", "critical"]


class Curve(Struct, frozen=True):
    """A figure at the run's newest steps, oldest first, and the line that it crossed: what a picture can show."""

    series: str
    steps: tuple[int | None, ...]
    values: tuple[float, ...]
    limit: float | None = None


class Message(Struct, frozen=True):
    """One thing worth telling.

    `title` is the answer in one sentence, `text` the evidence, `todo` what to do. `episode` names the incident: a
    message with `resolved` says that the one with the same episode is over. `time` (Unix seconds) is when it happened,
    `step` the trainer's step then; `since` and `since_step` are when it began, where that was before. `values` are the
    numbers that decided, by name. `labels` tell whose run it is. `worse`: the incident was told before, as less grave.
    `curve` is the figure that decided; `links` are names and addresses of where to look on.
    """

    kind: str
    severity: Severity
    title: str
    text: str
    time: float
    episode: str
    step: int | None = None
    todo: str = ""
    resolved: bool = False
    labels: Labels = ()
    since: float | None = None
    since_step: int | None = None
    values: tuple[tuple[str, float], ...] = ()
    worse: bool = False
    curve: Curve | None = None
    links: tuple[tuple[str, str], ...] = ()

    @property
    def lasting(self) -> bool:
        """Whether it tells of an incident that lasts until a message says that it is over."""
        return self.severity != "info" and not self.resolved

    @property
    def key(self) -> str:
        """The same whenever the same thing is told: receivers and the outbox know a repetition by it."""
        return f"{self.episode}/{self.kind}" + ("/resolved" if self.resolved else "/worse" if self.worse else "")
