"""A step is a trace: the span of the whole step is its root, the states of all lanes lie under it."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from rli_agent.publish.spans.ids import root_id, span_ids, trace_id
from rli_agent.publish.spans.layouts import Home, Span, Trace, alone
from rli_agent.publish.spans.rows import State

#: The lane whose state `step` is the root.
LANE = "trainer"
#: Seconds after its root was read in which the other lanes may still tell of a step.
GRACE = 5.0
#: A step that no line tells of as a whole is over when a later one is there and its own lanes were silent for so long.
SILENCE = 600.0
#: Seconds by which times of different lines may disagree: many stamps have whole seconds.
SLACK = 1.0
#: Steps remembered, so that what is told late finds its trace.
REMEMBERED = 128
#: States held back at most: a run may tell of a step and never end it.
HELD = 50_000

_CLOSE = attrgetter("close")
#: An attempt and a step.
Key: TypeAlias = tuple[int, int]


class Window(Struct):
    """The time in which the states without a step of their own belong to a step: from the window before, to `close`.

    `root` is None when the step was sent.
    """

    close: float
    key: Key
    root: State | None = None
    arrived: float = 0.0


class Memory(Struct):
    """What a layout remembers of the steps that were sent: see Steps."""

    begun: float | None
    windows: list[tuple[float, Key]]
    made_up: list[Key]


class Steps:
    """Puts states together by step. A state that outlives its step, and one that has none, belong to the step in which
    they ended; what ended before the first step is a trace of its own."""

    def __init__(self, run: str, memory: Any = None) -> None:
        """`memory`: of the layout before this one."""
        self._run = run
        self._states: defaultdict[Key, list[State]] = defaultdict(list)
        self._loose: list[State] = []  # wait for the step in which they ended
        self._order: list[Window] = []  # by close
        self._windows: dict[Key, Window] = {}
        self._unsent: list[Window] = []
        self._made_up: dict[Key, None] = {}  # steps that were sent with a root of our own
        self._begun: float | None = None  # when the first step began
        self._newest = float("-inf")
        self._lone: list[Trace] = []
        if memory is not None:
            known = msgspec.convert(memory, type=Memory)
            self._begun = known.begun
            self._made_up = dict.fromkeys(known.made_up)
            for close, key in known.windows:
                self._remember(Window(close, key))

    def memory(self) -> Any:
        sent = [(w.close, w.key) for w in self._order if w.root is None]
        made_up = list(self._made_up)[-REMEMBERED:]
        return msgspec.to_builtins(Memory(self._begun, sent[-REMEMBERED:], made_up))

    def since(self) -> float | None:
        held = [w.root.at for w in self._unsent if w.root is not None]
        held += [s.at for states in (*self._states.values(), self._loose) for s in states]
        return min(held, default=None)

    # -- in

    def add(self, states: Sequence[State], now: float) -> None:
        told = None
        for s in states:
            if s.at > self._newest:
                self._newest = s.at
            if s.step is None:
                self._assign(s)
            elif s.state == "step" and s.lane == LANE:
                self._add_step(s, s.step, now)
                told = None
            else:
                if told != (s.at, s.step):  # the states of a line belong together
                    told, key = (s.at, s.step), (self._attempt(s), s.step)
                    until = self._until(key)
                if s.end > until:
                    self._assign(s)
                else:
                    self._states[key].append(s)

    def _add_step(self, s: State, step: int, now: float) -> None:
        key = (self._attempt_of_root(s, step), step)
        window = self._windows.get(key)
        if _is_root(s, window):
            if window is not None:
                self._order.remove(window)
            self._made_up.pop(key, None)
            self._unsent.append(self._remember(Window(s.at, key, s, now)))
            self._begun = s.start if self._begun is None else self._begun
        elif s.end > self._until(key):
            self._assign(s)
        else:
            self._states[key].append(s)

    def _until(self, key: Key) -> float:
        """When a state of this step ended at the latest; without bound while the step is not over."""
        window = self._windows.get(key)
        return window.close + SLACK if window is not None else math.inf

    def _attempt(self, s: State) -> int:
        """The attempt that the run was in: that of the step before."""
        if self._order and self._order[-1].close < s.at:
            return self._order[-1].key[0]
        at = bisect_left(self._order, s.at, key=_CLOSE)
        return self._order[max(at - 1, 0)].key[0] if self._order else 1

    def _attempt_of_root(self, s: State, step: int) -> int:
        """Counts how often the steps went back: a restart does some of them again."""
        at = bisect_left(self._order, s.at, key=_CLOSE)
        if at < len(self._order) and self._order[at].close == s.at and self._order[at].key[1] == step:
            return self._order[at].key[0]  # read again
        last = self._order[-1] if self._order else None
        if last is not None and s.at > last.close and step <= last.key[1] and s.start >= last.close - SLACK:
            return last.key[0] + 1
        return self._attempt(s)

    def _remember(self, window: Window) -> Window:
        insort(self._order, window, key=_CLOSE)
        self._windows[window.key] = window
        return window

    def _assign(self, s: State, final: bool = False) -> None:
        """To the step in which the state ended, if that is known by now."""
        if s.step is None and (s.end < self._begun if self._begun is not None else self._newest - s.at > SILENCE):
            self._lone.append([alone(self._run, s)])
            return
        window = self._window(s.end - SLACK)
        if window is None and final:
            window = self._windows.get((self._attempt(s), s.step)) if s.step is not None else None
            window = window or (self._order[-1] if self._order else None)
            if window is None:
                self._lone.append([alone(self._run, s)])
                return
        if window is not None and window.root is None:
            self._states[window.key].append(s)
        else:
            self._loose.append(s)

    def _window(self, when: float) -> Window | None:
        """The first that closed then or later."""
        if not self._order or self._order[-1].close < when:
            return None
        return self._order[bisect_left(self._order, when, key=_CLOSE)]

    # -- out

    def take(self, now: float, final: bool = False) -> list[Trace]:
        final = final or sum(map(len, self._states.values())) + len(self._loose) > HELD
        ready = [w for w in self._unsent if final or self._is_over(w, now)]
        roots = {w.key: w.root for w in ready if w.root is not None}
        for w in ready:
            w.root = None
            mine, until = self._states.get(w.key, []), self._until(w.key)
            outlive = [s for s in mine if s.end > until]
            if outlive:
                self._states[w.key] = [s for s in mine if s.end <= until]
                self._loose += outlive
        if ready:
            self._unsent = [w for w in self._unsent if w.root is not None]
        made_up = dict(self._without_root(max(roots, default=None), final))
        if ready or final or (self._loose and self._begun is None):
            loose, self._loose = self._loose, []
            for s in loose:
                self._assign(s, final)
        traces, self._lone = self._lone, []
        traces += [self._trace(key, root) for key, root in (*roots.items(), *made_up.items())]
        late = [key for key in self._states if key in self._made_up or self._is_sent(key)]
        traces += [self._trace(key, None) for key in late]
        self._forget()
        return traces

    def _is_sent(self, key: Key) -> bool:
        window = self._windows.get(key)
        return window is not None and window.root is None

    def _is_over(self, w: Window, now: float) -> bool:
        later = self._order[-1].close > w.close and self._newest > w.close + SLACK
        return later or now - w.arrived >= GRACE

    def _without_root(self, newest: Key | None, final: bool) -> Iterator[tuple[Key, State]]:
        """Steps that are over and were not told of as a whole, with a root that we make up."""
        last = max(self._states, default=None)
        for key, states in self._states.items():
            if key in self._windows or key in self._made_up:
                continue
            passed = newest is not None and key < newest
            if self._begun is None and last is not None and key < last:
                passed = self._newest - states[-1].at > SILENCE
            if not passed and not final:
                continue
            self._made_up[key] = None
            if len(self._order) < REMEMBERED or key > self._order[0].key:  # else the root was sent, and is forgotten
                start, end = min(s.start for s in states), max(s.end for s in states)
                yield key, State(end, start, end, LANE, "step", key[1], "")

    def _trace(self, key: Key, root: State | None) -> Trace:
        run, (attempt, step) = self._run, key
        trace, top = trace_id(run, attempt, step), root_id(run, attempt, step)
        states, home = self._states.pop(key, []), Home(trace, top, step)
        spans = []
        for s, own in zip(states, span_ids(run, states), strict=True):
            said = step if s.step is None else s.step
            if said != home.step:
                home = Home(trace, top, said)
            spans.append(Span(home, own, s.lane, s.state, s.start, s.end, s.attributes))
        if root is not None:
            spans.insert(0, Span(Home(trace, b"", step), top, LANE, "step", root.start, root.end))
        return spans

    def _forget(self) -> None:
        while len(self._order) > 2 * REMEMBERED and self._order[0].root is None:
            del self._windows[self._order.pop(0).key]
        while len(self._made_up) > 2 * REMEMBERED:
            del self._made_up[next(iter(self._made_up))]


def _is_root(s: State, window: Window | None) -> bool:
    """Not when the step has one; the same one may be read again."""
    return window is None or (window.root is None and window.close == s.at)
