"""Steps and starts: which line is a step of the run's newest attempt, and when a new attempt began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rli_agent.events import Problem, Samples
from rli_agent.life import wording
from rli_agent.life.problems import outlive
from rli_agent.life.state import ENDS, KEPT, MOST, Attempt, Ending

if TYPE_CHECKING:
    from rli_agent.life.tracker import LifeTracker

#: A run that ended shows what a new start shows no earlier than this.
_PAUSE = 30.0
#: Attempts that are remembered.
_REMEMBERED = 50
#: The steps' own lines may come this much later in another file, without a new attempt.
_LAG = 60.0
#: A problem is told when it is known to be whole: so many lines may stand behind its first one by then.
_TOLD_LATE = 500


class Attempts:
    """Counts steps. Several files may print the same ones, some later than others: the series (a file and the first
    metric of its lines) that came first leads, and only when the leader goes back has the run gone back."""

    def __init__(self, tracker: LifeTracker) -> None:
        self.tracker = tracker

    def step(self, event: Samples, now: float) -> None:
        """A line of a training step."""
        assert event.step is not None
        state = self.tracker.state
        series = f"{event.file}\0{event.shape.names[0]}"
        time = event.time if event.time_is == "logged" else None
        known = series in state.series
        if not known and len(state.series) < MOST:
            state.series.append(series)
        if state.step is None or event.step > state.step:
            self._advance(event, series, time, now)
        elif event.step < state.step and self._goes_back(series, known, time, now):
            self._new(now, None)
            self._advance(event, series, time, now)
        elif state.restarting and self._later(time):
            self._advance(event, series, time, now)

    def _goes_back(self, series: str, known: bool, time: float | None, now: float) -> bool:
        state = self.tracker.state
        if series == state.leader or state.restarting:
            return True
        if known:
            return False
        usual = state.usual_step() or 0.0
        if time is not None and state.leader_time is not None:
            return time - state.leader_time > max(2 * usual, _LAG)
        return state.step_at is not None and now - state.step_at > max(2 * usual, _LAG)

    def _later(self, time: float | None) -> bool:
        before = self.tracker.state.leader_time
        return time is None or before is None or time > before

    def _advance(self, event: Samples, series: str, time: float | None, now: float) -> None:
        """The run has done this step."""
        step = event.step
        assert step is not None
        tracker, state = self.tracker, self.tracker.state
        suspect = state.suspect
        earlier = time is not None and suspect is not None and suspect.logged and time < suspect.time
        if state.life in ENDS:
            if earlier:
                return  # a line that was read late
            self.begin(now, None)
        if state.ending is not None and not earlier and not _told_with(state.ending, event):
            state.ending = None
        if not earlier:
            state.suspect = None
            outlive(state)
        self._gap(time, now)
        if state.step is not None and step > state.step:
            state.stride = step - state.step
        first, resumed = state.steps == 0 and state.attempt.number == 1, state.restarting
        state.leader, state.leader_time = series, time
        state.before, state.step, state.step_at = state.step, step, now
        state.step_line = event.line
        state.steps += 1
        attempt = state.attempt
        if attempt.first_step is None:
            attempt.first_step, state.first_line = step, event.line
        attempt.last_step, attempt.end = step, None
        started = state.first_sign
        tracker.moved(now)
        if state.life == "starting":
            state.life = "running"
        if resumed:
            self._tell_resumed(step - 1, now)
        elif first and attempt.resumed_from is None:
            self._tell_started(step, now - started if started is not None else 0.0)
        tracker.clean_step(now)

    def was_before(self, problem: Problem, role: str) -> bool:
        """Whether a problem, which is told some lines late, stands before the newest step, so that the run has gone on;
        or before the first step of a run that had begun again: it ended the attempt before."""
        state = self.tracker.state
        if problem.file != state.telling:
            return False
        gone_on = 0 < state.step_line - problem.line <= _TOLD_LATE
        of_earlier = state.attempt.number > 1 and problem.line < state.first_line
        if gone_on and not of_earlier:
            outlive(state, problem, role)
        return gone_on or of_earlier

    def _gap(self, time: float | None, now: float) -> None:
        """Learn what passes between steps, by the log's own clock where it has one."""
        state = self.tracker.state
        if state.restarting or state.step_at is None or state.life == "stalled":
            return
        gap = now - state.step_at
        if time is not None and state.leader_time is not None:
            gap = time - state.leader_time
        if gap <= 0.0:
            return
        state.gaps.append(round(gap, 3))
        del state.gaps[:-KEPT]
        state.longest_gap = max(state.longest_gap, gap)

    def resumed(self, step: int, now: float) -> None:
        """The log says that the run goes on from this step."""
        state = self.tracker.state
        attempt = state.attempt
        if attempt.resumed_from == step and attempt.first_step is None:
            return  # every role says so
        if attempt.first_step is None and state.step is None:
            attempt.resumed_from = step
            text = "The steps before were not seen."
            self.tracker.say("resumed", "info", f"resumed from step {step}", text, self.tracker.at)
            return
        if not state.restarting or attempt.first_step is not None:
            self.begin(now, step)
        attempt = state.attempt
        attempt.resumed_from = step
        self._tell_resumed(step, now)
        state.step = step

    def starts(self, now: float) -> None:
        """Something that only a start shows."""
        state = self.tracker.state
        ended = state.ended_at
        if state.life in ENDS and ended is not None and now - ended > _PAUSE:
            self.begin(now, None)

    def _new(self, now: float, resumed_from: int | None) -> None:
        if not self.tracker.state.restarting:
            self.begin(now, resumed_from)

    def begin(self, now: float, resumed_from: int | None) -> None:
        """A new attempt begins; what is usual stays known."""
        state = self.tracker.state
        old = state.attempt
        old.end = old.end if old.end is not None else state.moved_at
        state.earlier.append(msgspec.structs.replace(old))
        del state.earlier[:-_REMEMBERED]
        state.lost_from, state.lost_at = state.step, state.progress_at
        state.attempt = Attempt(old.number + 1, self.tracker.at, resumed_from=resumed_from)
        state.restarting, state.begun = True, False
        state.life = "starting"
        state.step_at = state.aside_at = state.inner_at = state.leader_time = None
        state.first_sign = state.progress_at = now
        state.suspect = state.ending = state.ended_at = state.ended_in = None
        state.open.clear()
        state.errors.clear()
        state.outlived.clear()
        state.facts.pop("progress", None)
        state.lingers = state.quiet = False
        state.nan_at, state.nan_run = None, 0
        for kind in list(state.incidents):
            self.tracker.close_incident(kind, f"a new attempt of the run has begun, number {state.attempt.number}", now)

    def _tell_resumed(self, after: int, now: float) -> None:
        """The run goes on behind step `after`; told once an attempt."""
        state = self.tracker.state
        state.restarting = False
        if state.lost_from is None:
            return
        title, text = wording.lost(state, state.lost_from, after, now)
        self.tracker.say("resumed", "info", f"resumed from step {after}{title}", text, self.tracker.at)
        state.lost_from = None

    def _tell_started(self, step: int, took: float) -> None:
        state = self.tracker.state
        whole = f" of {state.max_steps}" if state.max_steps is not None else ""
        what = ", ".join(state.facts[key] for key in ("framework", "model") if key in state.facts)
        title = f"started: step {step}{whole} is done, {wording.spoken(took)} after it began"
        self.tracker.say("started", "info", title, what, self.tracker.at)


def _told_with(ending: Ending, event: Samples) -> bool:
    """Whether the last figures came with the words of the end, or before: some wait for what stands behind them."""
    return event.file == ending.file and event.line <= ending.line
