"""How is the run? One sentence, from what its events tell: step, what each lane does and for how long, when it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from statistics import mean, median

from rli_agent.events import Event, Interval, Problem, RunFact, Samples
from rli_agent.life.headline import headline
from rli_agent.life.state import ENDS, LifeState, Suspect
from rli_agent.life.tracker import LifeTracker
from rli_agent.life.wording import begun_step, by_its_bar, doubted, place, short, spoken, stalled, where
from rli_agent.pace import Pace, finish
from rli_agent.parsers.timeline import intervals

#: Durations kept of each state to tell what is usual.
KEPT = 50
#: So many steps that say how long they took say how long a file took at least.
_TELLING = 3
#: Files that were written so many seconds after their newest lines were copied.
COPIED = 3600.0
#: So many usual durations without a step make a run look stuck.
STUCK_AFTER = 3.0
#: How a sentence begins that says how a run may have ended.
DOUBT = "may have "
#: A step that is missing for so many seconds comes first; before that a run is healthy (answer/health.py).
_LATE = 120.0
#: Seconds without progress before the first step after which that is said, and without a line after a traceback there.
_MUTE, _UNBEGUN = 600.0, 30.0


class Lane:
    """What one lane of the timeline does, and how long its states usually last."""

    def __init__(self) -> None:
        self.open: dict[str, Interval] = {}
        self.usual: dict[str, deque[float]] = {}

    def add(self, interval: Interval) -> None:
        if interval.end is None:
            self.open[interval.state] = interval
            return
        self.open.pop(interval.state, None)
        if interval.start is not None and interval.start < interval.end:
            lasted = interval.duration if interval.duration is not None else interval.end - interval.start
            self.usual.setdefault(interval.state, deque(maxlen=KEPT)).append(lasted)

    def busy_aside(self) -> bool:
        """Whether it does what keeps a step waiting for a good reason."""
        return bool(self.open.keys() & {"eval", "save_ckpt"})

    def forget(self, over: Callable[[float | None], bool]) -> None:
        """Leave out the open states that are over, by when they began."""
        for state in [state for state, interval in self.open.items() if over(interval.start)]:
            del self.open[state]

    def newest_open(self) -> Interval | None:
        return max(self.open.values(), key=lambda i: (i.start or 0.0, i.line), default=None)


class RunStatus:
    """Follows a run's events; `sentence` answers at any moment."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.zone = zone
        self.tracker: LifeTracker | None = None
        #: Detectors whose alert is not over, with its severity.
        self.alerts: Callable[[], Mapping[str, str]] = dict
        #: Seconds by which the clock of the run's lines lags behind ours: those of a copied run tell of the past.
        self.behind = 0.0
        #: All was read that there is, for an answer once (`--once`).
        self.looked_back = False
        #: The newest time that a line of a step gives; None where such lines have none.
        self.reached: float | None = None
        #: The file that tells of steps did not exist for as long as they took: it is a copy, of nobody knows when.
        self.copied = False
        self.lanes: dict[str, Lane] = {}
        self.facts: dict[str, str] = {}
        self.step: int | None = None
        self.step_seen: float | None = None
        self.last_event: float | None = None
        self.last_problem: Problem | None = None
        self.problems = 0
        self.newest: dict[str, float] = {}
        self._pace = Pace()

    def record(self, events: Sequence[Event], now: float) -> None:
        """Take in events that have just been stored; `now` is when they were read (Unix seconds)."""
        figures = [e for e in events if isinstance(e, Samples)]
        for samples in figures[-2 * KEPT :]:  # of a whole log read at once the end is enough
            self._samples(samples, now)
        for event in events:
            if isinstance(event, Samples):
                continue
            if isinstance(event, Interval):
                self.lanes.setdefault(event.lane, Lane()).add(event)
            elif isinstance(event, Problem):
                if event.level in ("ERROR", "CRITICAL"):
                    self.problems += 1
                    self.last_problem = event
            elif isinstance(event, RunFact):
                self.facts[event.key] = event.value
                if event.key == "resumed_from":
                    self.step_seen = None  # what passed until then was no step
        if events:
            self.last_event = now
        if self.tracker is not None:
            for lane in self.lanes.values():
                lane.forget(self.tracker.state.attempt.outlived)

    def _samples(self, event: Samples, now: float) -> None:
        for metric, value in zip(event.shape.metrics, event.values, strict=False):
            if metric is not None:
                self.newest[metric] = value
        for interval in intervals(event):
            self.lanes.setdefault(interval.lane, Lane()).add(interval)
        role = dict(event.shape.labels).get("role")
        if event.step is None or role not in ("trainer", "metrics", "unknown"):
            return
        when = event.time if event.time is not None else now
        late = event.time_is == "logged" and self.step_seen is not None and when < self.step_seen
        if late and self.step is not None and event.step < self.step:
            return  # a metric file tells later of a step that the console has told
        self.reached = max(self.reached or when, when) if event.time_is == "logged" else None
        if event.step != self.step:
            if self.step is not None and self.step_seen is not None:
                self._pace.passed(when - self.step_seen, event.step - self.step)
            self.step, self.step_seen = event.step, when
            self.facts.pop("life", None)

    def take_over(self, state: LifeState) -> None:
        """Know what the run's life remembers of steps, which outlives the events."""
        self.step, self.step_seen = state.step, state.step_at
        for gap in state.gaps:
            self._pace.knew(gap, state.stride)

    def looks_back(self, written: float, now: float) -> None:
        """All that there is was read, and was last written at `written`: where that is long ago, or its lines are older
        still since they were copied, the answer is of then."""
        self.looked_back = True
        if self.step_seen is not None and self.reached is None:
            self.step_seen = min(self.step_seen, written)
        copied = written - self.reached if self.reached is not None else 0.0
        behind = now - written + (copied if copied > COPIED else 0.0)
        if behind > max(STUCK_AFTER * (self.step_seconds() or 0.0), 60.0):
            self.behind = behind

    def was_written_in(self, seconds: float | None) -> None:
        """The file that tells of steps was written within so many seconds, where that is known."""
        told = self._told_durations()
        self.copied = seconds is not None and len(told) >= _TELLING and seconds < median(told)

    @property
    def life(self) -> str:
        """starting, running, stalled, finished, failed, cancelled or preempted: as time decided it, else as told."""
        if self.tracker is not None and (self.tracker.life in ENDS or self.tracker.life == "stalled"):
            return self.tracker.life
        told = self.facts.get("life")
        if told in ENDS:
            return told
        return "running" if self.step is not None else "starting"

    @property
    def max_steps(self) -> int | None:
        text = self.facts.get("max_steps", "")
        return int(text) if text.isdigit() else None

    def step_seconds(self) -> float | None:
        """What usually passes from one step to the next, else what the trainer says that a step takes."""
        told = self._told_durations()
        return self._pace.usual or (median(told) if told else None)

    def _told_durations(self) -> Sequence[float]:
        trainer = self.lanes.get("trainer")
        return trainer.usual.get("step", ()) if trainer is not None else ()

    def finishes(self, now: float) -> float | None:
        """When the run will have done all its steps (Unix seconds); None where that cannot be said: it has not begun,
        nobody says how many steps there are, none is done any more, or its lines tell of the past."""
        told, whole = self._told_durations(), self.max_steps
        if self.behind or self.copied:
            return None
        a_step = self._pace.mean or (mean(told) if told else None)
        if a_step is None or whole is None or self.step is None or self.step >= whole or self._silence(now):
            return None
        return finish(whole - self.step, a_step, self.step_seen, now)

    def sentence(self, now: float) -> str:
        """The answer, in one line."""
        if self.step is None and not self.lanes and not self.problems and self.last_event is None:
            return "nothing read yet that tells of a step"
        life, state = self.life, self.tracker.state if self.tracker is not None else LifeState()
        suspect = state.suspect
        if life in ENDS and life != "finished":
            return f"{life} {self._where()}" + (f": {self._cause(suspect, now)}" if suspect is not None else "")
        if life == "stalled":
            return stalled(state, now)[0] + (f", after {self._cause(suspect, now)}" if suspect is not None else "")
        parts = [f"finished: {self._steps()}"] if life == "finished" else self._under_way(state, now)
        grave = sorted(name for name, severity in self.alerts().items() if severity != "info")
        if grave:
            parts.append(f"alert: {', '.join(grave)}")
        reward = self.newest.get("rl_reward_mean")
        if reward is not None:
            parts.append(f"reward {reward:.4g}")
        if life == "finished" and state.attempt.end is not None:
            parts.append(f"ended {self._clock(state.attempt.end, now)}")
        if self.problems and not parts[0].startswith(DOUBT):
            parts.append(self._problems())
        return ", ".join(parts)

    def _under_way(self, state: LifeState, now: float) -> list[str]:
        """How far it is, and what it does. Where a step is missing without a reason, that comes first."""
        doing, silence, suspect = self._doing(now), self._silence(now), state.suspect
        aside = any(lane.busy_aside() for lane in self.lanes.values())
        if suspect is not None and suspect.grade and (silence or self._is_last_word(suspect, state, now)):
            said = [f"{doubted(suspect.verdict)} {self._where()}: {self._cause(suspect, now)}", silence, doing]
        elif silence and not aside and self._since_step(now) > _LATE:
            said = [silence, self._where(), doing]
        else:
            quiet = now - state.progress_at if state.progress_at is not None else self.behind
            if self.step is None and quiet > _MUTE:
                silence = f"nothing new for {spoken(quiet)}"
            said = [self._steps() if self.step is not None else self._starting(state), doing, silence, self._eta(now)]
        return [part for part in said if part]

    def _is_last_word(self, suspect: Suspect, state: LifeState, now: float) -> bool:
        """Whether nothing moved since a problem that ends a process, or, where all was read once or a run that has not
        begun writes no more, that may."""
        moved = state.progress_at is not None and state.progress_at > suspect.seen
        unbegun = self.step is None and now - max(suspect.seen, suspect.wrote) > _UNBEGUN
        return not moved and (suspect.grade == 2 or self.looked_back or unbegun)

    def _cause(self, suspect: Suspect, now: float) -> str:
        """The problem that ended the run or may have, and where it stands."""
        return f"{short(suspect)} ({place(suspect.file, suspect.line)}, {self._clock(suspect.time, now)})"

    def _problems(self) -> str:
        """How many, and the last one."""
        last = headline(self.last_problem.message)[:120] if self.last_problem is not None else ""
        said = f"{self.problems} problem" + ("" if self.problems == 1 else "s, the last")
        return f"{said}: {last}" if last else said.removesuffix(", the last")

    def _steps(self) -> str:
        whole = f" of {self.max_steps}" if self.max_steps is not None else ""
        return f"step {self.step}{whole}" if self.step is not None else by_its_bar(self.facts) or "no step seen"

    def _starting(self, state: LifeState) -> str:
        if (drawn := by_its_bar(self.facts)) is not None:
            return drawn
        begun = begun_step(state)
        return "starting: no step yet" + (f", in step {begun}" if begun else "")

    def _where(self) -> str:
        if self.step is not None:
            return f"at {self._steps()}"
        return where(self.tracker.state) if self.tracker is not None else "before the first step"

    def _doing(self, now: float) -> str:
        said = []
        for name, lane in sorted(self.lanes.items(), key=lambda item: item[0] != "trainer"):
            interval = lane.newest_open()
            if interval is None:
                continue
            usual = lane.usual.get(interval.state)
            text = f"{name} in {interval.state}"
            if interval.start is not None:  # lines without a time get one only later (parsers/rebuilding.py)
                text += f" for {spoken(now - self.behind - interval.start)}"
            said.append(text + (f" (usually {spoken(median(usual))})" if usual else ""))
        return ", ".join(said[:3])

    def _since_step(self, now: float) -> float:
        return now - self.behind - self.step_seen if self.step_seen is not None else 0.0

    def _silence(self, now: float) -> str:
        usual = self.step_seconds()
        if self.step_seen is None or usual is None:
            return ""
        since = self._since_step(now)
        if since > max(STUCK_AFTER * usual, 60.0):
            return f"no step for {spoken(since)} (usually every {spoken(usual)})"
        return ""

    def _eta(self, now: float) -> str:
        end = self.finishes(now)
        if end is None:
            return ""
        return f"ETA {self._clock(end, now)}"

    def _clock(self, moment: float, now: float) -> str:
        when = datetime.fromtimestamp(moment, self.zone)
        return f"{when:%H:%M}" if abs(moment - now) < 86_400 else f"{when:%b %d %H:%M}"
