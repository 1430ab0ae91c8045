"""Times of an old file, decided when its end has been read: day shifts of dateless stamps, rebuilt times of bare
lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rli_agent.events import Event, Interval, Samples
from rli_agent.parsers.rebuilding import Mark, rebuild
from rli_agent.parsers.timeline import lasted
from rli_agent.parsers.timestamps import Shift


def settle_events(events: Sequence[Event], shift: Shift | None, end: float) -> None:
    """Decide, in place, all times of one file's events. `end` is when the file was last changed."""
    if shift is not None:
        for event in events:
            if event.time_is == "logged" and (shift.before is None or event.line < shift.before):
                _shift(event, shift)
    times = dict(rebuild(_marks(events), end))
    for event in events:
        if is_unsettled(event) and event.line in times:
            _move(event, times[event.line])


def is_unsettled(event: Event) -> bool:
    """Whether an event's time is still to be decided: none, or an interval told relative to its line (end 0.0)."""
    if isinstance(event, Interval):
        if event.end is None:
            return event.time_is == "estimated" and event.start is None
        return event.time_is == "estimated" and event.end <= 0.0
    return event.time is None


def _marks(events: Sequence[Event]) -> Iterator[Mark]:
    by_line: dict[int, list[Event]] = {}
    for event in events:
        by_line.setdefault(event.line, []).append(event)
    for line in sorted(by_line, reverse=True):
        here = by_line[line]
        known = [t for e in here if not is_unsettled(e) and (t := _when(e)) is not None]
        plans = [(e.shape.plan, e.values) for e in here if isinstance(e, Samples)]
        passed = max((lasted(plan, values) for plan, values in plans if plan is not None), default=None)
        yield line, max(known) if known else None, passed


def _when(event: Event) -> float | None:
    return event.end if isinstance(event, Interval) else event.time


def _shift(event: Event, shift: Shift) -> None:
    """Move an event's logged time; an interval as a whole, so that it lasts as long as before."""
    if not isinstance(event, Interval):
        if event.time is not None:
            event.time += shift.by(event.time)
        return
    end = event.end if event.end is not None else event.start
    if end is not None:
        seconds = shift.by(end)
        event.start = event.start + seconds if event.start is not None else None
        event.end = event.end + seconds if event.end is not None else None


def _move(event: Event, seconds: float) -> None:
    if isinstance(event, Interval):
        if event.end is None and event.start is None:
            event.start = seconds
            return
        event.start = event.start + seconds if event.start is not None else None
        event.end = event.end + seconds if event.end is not None else None
    else:
        event.time = (event.time or 0.0) + seconds
