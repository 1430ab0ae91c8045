"""A run played event by event, with its own clock, and what its agent says."""

from __future__ import annotations

import json
from collections.abc import Callable

from rli_agent.events import Event, Interval, Level, Problem, RunFact, Samples, Shape, Source
from rli_agent.life.state import LifeState
from rli_agent.life.tracker import LifeTracker
from rli_agent.message import Message

START = 1_800_000_000.0
ENGINE = ("rl_engine_generation_tokens_per_second", "rl_engine_requests_running")
ROLES = {"trainer": "logs/trainer.log", "orchestrator": "logs/orchestrator.log", "inference": "logs/inference.log"}


class Play:
    """A run and its agent. Between any two calls the tracker's state goes through its serialised form (`forgetful`)."""

    def __init__(self, *, job_end: float | None = None, attached: bool = True, forgetful: bool = True) -> None:
        self.now = START
        self.job_end = job_end
        self.forgetful = forgetful
        self.said: list[Message] = []
        self.tracker = LifeTracker("r-1", LifeState(attached=attached), job_end)
        self.line = 0

    @property
    def kinds(self) -> list[str]:
        return [m.kind + ("/resolved" if m.resolved else "") for m in self.said]

    @property
    def pages(self) -> list[str]:
        """What wakes somebody."""
        return [m.kind for m in self.said if m.severity != "info"]

    def give(self, role: str, *events: Event, live: bool = True) -> None:
        self._through()
        self.said += self.tracker.record(events, Source(ROLES.get(role, f"logs/{role}.log"), role), self.now, live)

    def wait(self, seconds: float, every: float = 10.0, each: Callable[[], None] | None = None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + every)
            if each is not None:
                each()
            self.tick()

    def tick(self, last: bool = False) -> None:
        self._through()
        self.said += self.tracker.tick(self.now, last)

    def _through(self) -> None:
        if self.forgetful:
            self.tracker = LifeTracker("r-1", LifeState.decode(self.tracker.state.encode()), self.job_end)

    def _at(self, role: str) -> tuple[str, int, int]:
        self.line += 1
        return ROLES.get(role, f"logs/{role}.log"), self.line, self.line

    def samples(
        self, role: str, step: int | None, names: dict[str, float], metrics: tuple[str | None, ...] = (), **more: bool
    ) -> None:
        shape = Shape(tuple(names), (None,) * len(names), metrics or (None,) * len(names), (("role", role),))
        values = list(names.values())
        self.give(role, Samples(*self._at(role), self.now, "logged", step, shape, values, json.dumps(values)), **more)

    def step(self, number: int, **more: bool) -> None:
        self.samples("trainer", number, {"loss/mean": 0.1 * number, "optim/lr": 1e-6}, (), **more)

    def steps(self, first: int, last: int, every: float = 60.0) -> None:
        for number in range(first, last + 1):
            self.wait(every)
            self.step(number)

    def engine(self, rate: float, running: float = 64.0) -> None:
        self.samples("inference", None, {"vllm:gen": rate, "vllm:running": running}, ENGINE)

    def begins(self, state: str, lane: str = "trainer", step: int | None = None) -> None:
        self.give(lane, Interval(*self._at(lane), "logged", lane, state, step, self.now, None))

    def ends(self, state: str, lasted: float, lane: str = "trainer", step: int | None = None) -> None:
        self.give(lane, Interval(*self._at(lane), "logged", lane, state, step, self.now - lasted, self.now, lasted))

    def problem(
        self, kind: str, message: str, role: str = "trainer", level: Level = "ERROR", time: float | None = None,
        step: int | None = None,
    ) -> None:  # fmt: skip
        when = time if time is not None else self.now
        self.give(role, Problem(*self._at(role), when, "logged", level, kind, message, 1, step))

    def fact(self, key: str, value: str, role: str = "trainer") -> None:
        self.give(role, RunFact(*self._at(role), self.now, "logged", key, value))


OOM = (
    "Fatal error in train\nTraceback (most recent call last):\n  File 'train.py', line 3, in f\n"
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
)


def running(last: int = 12, every: float = 60.0, **more: float) -> Play:
    """A run some steps old, that has evaluated and saved."""
    play = Play(**more)  # type: ignore[arg-type]
    play.fact("max_steps", "1000")
    play.steps(1, 6, every)
    play.begins("eval")
    play.wait(2 * every)
    play.ends("eval", 2 * every)
    play.begins("save_ckpt")
    play.wait(30)
    play.ends("save_ckpt", 30, step=6)
    play.steps(7, last, every)
    assert play.pages == []
    return play
