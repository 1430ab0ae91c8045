"""States of lanes, and spans of operations."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import index
from types import TracebackType
from typing import Any, TypeVar

from rli_agent.api.complaints import left_out
from rli_agent.api.process import Process, current
from rli_agent.api.text import PLAIN, attributes, quoted

_Function = TypeVar("_Function", bound=Callable[..., Any])


class trace_state:
    """`with trace_state("rollout", "replica_0"): …`, or a decorator: the lane is in the state meanwhile.

    It is seen while it lasts. States of one lane may overlap and hold one another, each is kept. Without a lane it is
    this process's own, `process_<pid>`. A label `step` that is a whole number is the state's step; the others become
    attributes of its span.
    """

    def __init__(self, state_name: str, state_lane_id: str | None = None, **labels: Any) -> None:
        self._name = state_name
        self._lane = state_lane_id
        self._labels = labels
        self._begun: list[tuple[Process, str, float] | None] = []

    def __enter__(self) -> None:
        try:
            process = current()
            if process is None:
                self._begun.append(None)
                return
            now = time.time()
            what = self._what(process)
            process.file.write(f'{{"type":"begin",{what},"time":{now:.6f}}}\n'.encode(), now)
            self._begun.append((process, what, now))
        except Exception as error:
            self._begun.append(None)
            left_out(self._name, error)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        begun = self._begun.pop() if self._begun else None
        if begun is not None and begun[0] is current():  # neither finished nor forked meanwhile
            process, what, start = begun
            now = time.time()
            line = f'{{"type":"end",{what},"start":{start:.6f},"time":{now:.6f}}}\n'
            process.file.write(line.encode(), now)

    def __call__(self, function: _Function) -> _Function:
        return _wrapped(function, lambda _: trace_state(self._name, self._lane, **self._labels))

    def _what(self, process: Process) -> str:
        step, labels = _step(self._labels)
        told = _told("state", self._name, process.lane if self._lane is None else self._lane, labels)
        return f'"id":"{process.pid}.{next(process.numbers)}",{told}{step}'


def trace_span(*, name: str, start_time_ns: int, end_time_ns: int, attributes: Mapping[str, Any]) -> None:
    """Tell of something that is over. Times are Unix nanoseconds; an attribute `state_lane_id` names the lane."""
    process = current()
    if process is not None:
        try:
            about = {"monitor.trace_segment": "span", **attributes}
            _write(process, name, int(start_time_ns), int(end_time_ns), about)
        except Exception as error:
            left_out(name, error)


def trace_op(
    name: str | None = None, *, extra_labels: Callable[[Any], Mapping[str, Any]] | None = None, **static_labels: Any
) -> Callable[[_Function], _Function]:
    """A decorator: each call is a span, of a function or a coroutine function, also where it raises or is cancelled.

    name: otherwise the function's qualified name. extra_labels is given the first positional argument (often `self`)
    and gives more labels; where it fails, the static ones stand.
    """

    def decorate(function: _Function) -> _Function:
        called = name or function.__qualname__
        return _wrapped(function, lambda first: _Operation(called, first, extra_labels, static_labels))

    return decorate


class _Operation:
    """One call that `trace_op` tells of."""

    def __init__(
        self, name: str, first: tuple[Any, ...], extra: Callable[[Any], Mapping[str, Any]] | None,
        labels: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._process = current()
        self._name = name
        self._labels = dict(labels)
        if self._process is not None and extra is not None and first:
            try:
                self._labels.update(extra(first[0]))
            except Exception as error:
                left_out(name, error)
        self._labels["monitor.trace_segment"] = "duration"

    def __enter__(self) -> None:
        self._start = time.time_ns()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None and self._process is current():
            try:
                _write(self._process, self._name, self._start, time.time_ns(), self._labels)
            except Exception as failure:
                left_out(self._name, failure)


def _write(process: Process, name: str, start: int, end: int, about: dict[str, Any]) -> None:
    lane = about.pop("state_lane_id", None)
    step, about = _step(about)
    told = _told("name", name, process.lane if lane is None else lane, about)
    times = f'"start":{start // 1000 / 1e6:.6f},"time":{end // 1000 / 1e6:.6f}'
    process.file.write(f'{{"type":"span",{told}{step},{times}}}\n'.encode(), time.time())


def _told(kind: str, name: str, lane: str, about: dict[str, Any]) -> str:
    """Name (as `kind` calls it), lane and labels."""
    try:
        return _remembered(kind, name, lane, **about)
    except TypeError:  # something that cannot be remembered
        return f'"{kind}":{quoted(str(name))},"lane":{quoted(str(lane))}{attributes(about)}'


@lru_cache(maxsize=4096, typed=True)
def _remembered(kind: str, name: str, lane: str, /, **about: Any) -> str:
    """The same. Raises TypeError where an argument should not be kept: what is raised is not cached."""
    if any(type(value) not in PLAIN for value in (name, lane, *about.values())):
        raise TypeError
    return f'"{kind}":{quoted(name)},"lane":{quoted(lane)}{attributes(about)}'


def _step(labels: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The step among labels, and the others."""
    if "step" not in labels:
        return "", labels
    try:
        step = f',"step":{index(labels["step"])}'
    except TypeError:
        return "", labels
    return step, {name: value for name, value in labels.items() if name != "step"}


def _wrapped(function: _Function, made: Callable[[tuple[Any, ...]], Any]) -> _Function:
    """The function, each call within what `made` gives for its positional arguments."""
    from inspect import iscoroutinefunction  # late: it takes longer to import than all of this

    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with made(args):
                return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with made(args):
            return function(*args, **kwargs)

    return called  # type: ignore[return-value]
