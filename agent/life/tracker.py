"""Follows a run's events and the time that passes, and decides its life. No clock, no I/O: both are passed in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from rli_agent.events import Event, Interval, Problem, RolloutBatch, RunFact, Samples, Source, role_of
from rli_agent.life import judging, signs, wording
from rli_agent.life.attempts import Attempts
from rli_agent.life.deadlines import IDLE, START_STATES
from rli_agent.life.problems import was_caught, weigh
from rli_agent.life.state import ENDS, KEPT, MOST, Attempt, Ending, LifeState, Open, Said, Told
from rli_agent.message import Message, Severity
from rli_agent.parsers.timeline import intervals

#: Of a batch of lines read at once, so many with durations tell what is usual.
_LAST = 2 * KEPT
#: Steps without NaN after which it is over.
_CLEAN = 5


class LifeTracker:
    """The life of one run.

    `record` takes what was read at `now`, `tick` lets time pass; both return the messages that this gives rise to, each
    once. `now` is the agent's clock (Unix seconds); for lines that stood there before the agent came (`live` False) it
    is when the run last wrote: the age of the newest line is known, and a clock in another zone does no harm. What such
    lines tell is not told again, unless the tracker had been attached before. The state is all that it knows.
    """

    def __init__(self, run: str, state: LifeState | None = None, job_end: float | None = None) -> None:
        """run: its id, the beginning of episodes. job_end: when the scheduler ends the job (Unix seconds)."""
        self.run = run
        self.state = state if state is not None else LifeState()
        self.job_end = job_end
        self._attempts = Attempts(self)
        self._out: list[Message] = []
        self._muted = False
        #: When the event that is being taken in happened, as far as anybody knows.
        self.at = 0.0

    @property
    def life(self) -> str:
        """starting, running, stalled, finished, failed, cancelled or preempted."""
        return self.state.life

    # -- events

    def record(self, events: Sequence[Event], source: Source, now: float, live: bool = True) -> list[Message]:
        """Take in what a file gave; no event at all says only that it was written to."""
        state = self.state
        self._muted = not live and not state.attached
        last = range(len(events) - 1, -1, -1)
        detailed = set(islice((i for i in last if _has_plan(events[i])), _LAST))
        for number, event in enumerate(events):
            self.at = signs.when(event, now)
            if isinstance(event, Samples):
                self._samples(event, source, now, live, number in detailed)
            elif isinstance(event, Interval):
                self._interval(event, source, now)
            elif isinstance(event, Problem):
                self._problem(event, source, now)
            elif isinstance(event, RunFact):
                self._fact(event, source, now)
            elif isinstance(event, RolloutBatch):
                self.moved(now, inner=True)
        if source.file != ".":
            self._wrote(events, source, now)
        return self._given()

    def tick(self, now: float, last: bool = False) -> list[Message]:
        """Let time pass. `last`: nothing more will come, what waits for more lines is decided."""
        self._muted = False
        judging.judge(self, now, last)
        return self._given()

    def _wrote(self, events: Sequence[Event], source: Source, now: float) -> None:
        state = self.state
        event = signs.newest(events)
        role = source.role
        if isinstance(event, Samples):
            role = role_of(event.shape.labels, source)
        for name in {role, source.role}:
            if name not in state.roles and len(state.roles) < MOST:
                state.roles[name] = Said(now, "", now)
            if name in state.roles:
                state.roles[name].wrote = now
        if event is not None and role in state.roles:
            state.roles[role].time, state.roles[role].text = now, wording.in_words(event)[:300]
        if state.suspect is not None and state.suspect.file == source.file:
            state.suspect.wrote = now

    def _samples(self, event: Samples, source: Source, now: float, live: bool, detailed: bool) -> None:
        role = role_of(event.shape.labels, source)
        self._lives_on(event, role)
        if detailed:
            for interval in intervals(event):
                self._interval(interval, source, now)
        if signs.is_step(event, role):
            self._attempts.step(event, now)
            return
        idle = signs.idle_engine(event)
        if idle is not None:
            self.state.engine_idle = idle
        if live and signs.moves(event, self.state.figures):
            self.moved(now, inner=True)

    def _interval(self, event: Interval, source: Source, now: float) -> None:
        state = self.state
        self._lives_on(event, role_of(event.labels, source))
        key = f"{event.lane}\0{event.state}"
        if event.state in START_STATES:
            self._attempts.starts(now)
        opened = state.open.get(key)
        if event.end is None:
            if event.state in ("eval", "save_ckpt"):
                state.announced.add(event.state)
            if opened is not None and event.state in IDLE:
                return
            if opened is None and len(state.open) >= MOST:
                return
            state.open[key] = Open(event.lane, event.state, now, event.step)
            if event.state not in IDLE:
                self.moved(now)
            return
        state.open.pop(key, None)
        lasted = event.duration
        if lasted is None and event.start is not None and event.end > event.start:
            lasted = event.end - event.start
        if lasted is None and opened is not None:
            lasted = now - opened.since
        if lasted is not None:
            state.learn(event.lane, event.state, lasted)
        if event.state in ("eval", "save_ckpt"):
            state.aside_at = now
        if event.state == "save_ckpt":
            state.ckpt_at = now
            state.ckpt_step = event.step if event.step is not None else opened.step if opened else state.step
        if source.role != "env":
            self.moved(now, inner=state.step_at is not None)

    def _problem(self, event: Problem, source: Source, now: float) -> None:
        state = self.state
        role = role_of(event.labels, source)
        if state.life == "finished":
            return
        if event.kind == "nan" and role in signs.STEPPING:
            self._nan(event)
        if self._attempts.was_before(event, role):
            return
        if state.life not in ENDS:
            weigh(state, event, role, now)
        elif state.suspect is not None and event.level in ("ERROR", "CRITICAL"):
            state.suspect.consequences[event.kind] = state.suspect.consequences.get(event.kind, 0) + 1

    def _lives_on(self, event: Samples | Interval, role: str) -> None:
        """A role goes on with its work."""
        suspect = self.state.suspect
        if suspect is not None and was_caught(suspect, event.file, event.line, role):
            self.state.suspect = None

    def _nan(self, event: Problem) -> None:
        """A figure that is not finite heals at times; on two steps running it does not."""
        state = self.state
        step = event.step if event.step is not None else state.step
        if step is None or (state.nan_at is not None and step <= state.nan_at):
            return
        running = state.nan_at is not None and state.nan_at == state.before and step == state.step
        state.nan_run = state.nan_run + 1 if running else 1
        state.nan_at, state.nan_steps = step, state.steps
        if state.nan_run == 2 and "nan" not in state.incidents:
            self.open_incident(
                "nan", "critical", f"not a number on two steps running, {wording.where(state)}: {event.message[:200]}",
                f"{event.file}:{event.line}\n{event.message}", self.at,
                "Stop the run and resume from the last checkpoint before it: what is learned from NaN is lost.",
                since_step=state.before,
            )  # fmt: skip

    def _fact(self, event: RunFact, source: Source, now: float) -> None:
        state = self.state
        if event.key == "life":
            self._life_told(event, source, now)
            return
        if len(state.facts) < MOST or event.key in state.facts:
            state.facts[event.key] = event.value[:1000]
        if source.file == ".":
            return
        if event.key == "resumed_from" and event.value.isdigit():
            self._attempts.resumed(int(event.value), now)
        elif event.key in ("max_steps", "model"):
            self._attempts.starts(now)
            state.begun = state.begun or (event.key == "max_steps" and source.role != "inference")
        if state.step_at is None:
            self.moved(now)

    def _life_told(self, event: RunFact, source: Source, now: float) -> None:
        state, word = self.state, event.value
        told = state.ending.word if state.ending is not None else state.life
        launched = source.file == "."  # an exit status: it outweighs a log that says "finished" and then breaks
        if launched and word == "starting" and told in ENDS:
            self._attempts.begin(now, None)
        elif word in ENDS and (told not in ENDS or (launched and told == "finished" and word != told)):
            state.life = "running" if state.life in ENDS else state.life
            state.ending = Ending(word, now, self.at, event.file, event.line)

    # -- what happened

    def moved(self, now: float, inner: bool = False) -> None:
        """The run made progress, inside a step (`inner`) or by its states and steps."""
        state = self.state
        state.progress_at = now
        if state.first_sign is None:
            state.first_sign = now
        if state.attempt.start is None:
            state.attempt.start = self.at
        state.moved_at = self.at
        if inner:
            state.inner_at = now
        state.quiet = False
        if state.life == "stalled":
            self.running_again(now)

    def running_again(self, now: float) -> None:
        """A stall is over."""
        self.state.life = "running" if self.state.step_at is not None else "starting"
        told = self.state.incidents.get("stalled")
        if told is not None:
            after = wording.spoken(now - told.since)
            title = f"running again after {after} without progress, {wording.where(self.state)}"
            self.close_incident("stalled", title, now)

    def clean_step(self, now: float) -> None:
        """A step is done: NaN some steps ago is over."""
        state = self.state
        if state.nan_at is not None and state.steps - state.nan_steps >= _CLEAN:
            state.nan_at, state.nan_run = None, 0
            self.close_incident("nan", f"{_CLEAN} steps without NaN, {wording.where(state)}", now)

    # -- messages

    def open_incident(
        self, kind: str, severity: Severity, title: str, text: str, time: float, todo: str = "", under: str = "",
        **more: Any,
    ) -> None:  # fmt: skip
        """Tell of an incident, once until it is closed. `under`: it is part of that one. `more`: as in `say`."""
        if self._muted:
            return
        part_of = under or kind
        known = self.state.incidents.get(part_of)
        if known is None:
            known = Told(self._episode(part_of, time), self.state.progress_at or time)
            self.state.incidents[part_of] = known
        self.say(kind, severity, title, text, time, known.episode, todo, **more)

    def close_incident(self, kind: str, title: str, now: float) -> None:
        """Tell that an incident is over, if it was told."""
        told = self.state.incidents.pop(kind, None)
        if told is not None:
            self.say(kind, "info", title, "", now, told.episode, resolved=True)

    def say(
        self, kind: str, severity: Severity, title: str, text: str, time: float, episode: str = "", todo: str = "",
        **more: Any,
    ) -> None:  # fmt: skip
        """A message, unless it is of what happened before the agent came. `more`: other fields of it."""
        if self._muted:
            return
        name = episode or self._episode(kind, time)
        self._out.append(Message(kind, severity, title, text, time, name, self.state.step, todo, **more))

    def _episode(self, kind: str, time: float) -> str:
        """A name for what happens now; numbered, since a log's clock may give the same second twice."""
        number = self.state.episodes[kind] = self.state.episodes.get(kind, 0) + 1
        return f"{self.run}/{kind}/{time:.0f}-{number}"

    def _given(self) -> list[Message]:
        given, self._out = self._out, []
        return given

    def attempts(self) -> list[Attempt]:
        """All starts of the run that are remembered."""
        return [*self.state.earlier, self.state.attempt]


def _has_plan(event: Event) -> bool:
    return isinstance(event, Samples) and event.shape.plan is not None
