"""The only place that decides times: what stands in a line's stamp, made into Unix seconds.

A stamp may lack its year (vLLM, glog), its date (prime-rl) or its zone; what it lacks comes from the lines before, the
file's modification time, and the host's zone, all passed in. Lines without any stamp get theirs from `rebuilding`.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple

from msgspec import Struct

from rli_agent.parsers.calendar import DAY, EPOCH, HALF_DAY, SKEW, Calendar, day_of
from rli_agent.parsers.headers import Stamp

#: What is no further away than this is nearer than the same day of another year.
_HALF_YEAR = 180 * DAY


class ClockState(Struct):
    """What a clock remembers of one file; belongs into the file's checkpoint.

    last        the newest time given (a stray line from far back or far ahead does not count)
    dated       whether the day of `last` is certain. Times given before it was are provisional
    offset      the fixed offset from UTC in which provisional times are reckoned; None when there are none
    first       the first provisional time
    newest      the last provisional time
    days        by how many days provisional times are wrong, known from the first dated line; before: that line
    ended       when the end of the file was last seen: what stands behind it was written later
    """

    last: float | None = None
    dated: bool = False
    offset: float | None = None
    first: float | None = None
    newest: float | None = None
    days: int | None = None
    before: int | None = None
    ended: float | None = None


class Shift(NamedTuple):
    """How to mend the provisional times of one file: those of lines before `before`, or of all lines where it is None.

    Provisional times differ from the true ones by whole calendar days, which need not be whole multiples of 24 hours.
    """

    days: int
    before: int | None
    offset: float
    calendar: Calendar

    def by(self, time: float) -> float:
        """Seconds to be added to a line's provisional time, and to all that was derived from it (a state's start)."""
        wall = time + self.offset
        day = math.floor(wall / DAY)
        return self.calendar.at(EPOCH + day + self.days, wall - day * DAY) - time


class Clock:
    """Turns the stamps of one file, in the order of its lines, into Unix seconds.

    zone: of the host that wrote the file, used where a stamp names none. reference: Unix seconds near which the lines
    lie: the file's modification time when it already stood there, the present when it is being followed (the attribute
    may be moved on). It picks the year of a stamp without one and, provisionally, the day of a stamp without date.
    """

    def __init__(self, state: ClockState, zone: dt.tzinfo, reference: float) -> None:
        self.state = state
        self.reference = reference
        self._local = Calendar(zone)
        self._others: dict[float, Calendar] = {}
        #: Month, day and ordinal of the date without year that was read last.
        self._day: tuple[int, int, int] | None = None

    def time_of(self, stamp: Stamp, line: int = 0) -> float:
        """The stamp's time. `line` is its number in the file, and tells `settle` which times are provisional.

        A date that does not exist (30 February) counts as no date. Never raises.
        """
        state = self.state
        if stamp.epoch is not None and math.isfinite(stamp.epoch):
            return self._anchored(stamp.epoch, line)
        seconds = stamp.seconds if stamp.seconds is not None and 0.0 <= stamp.seconds < DAY + 1.0 else 0.0
        offset = stamp.offset if stamp.offset is not None and -DAY < stamp.offset < DAY else None
        calendar = self._local if offset is None else self._calendar(offset)
        if stamp.month is not None and stamp.day is not None:
            if stamp.year is not None:
                day = day_of(stamp.year, stamp.month, stamp.day)
                if day is not None:
                    return self._anchored(calendar.at(day, seconds, state.last if state.dated else None), line)
            else:
                time = self._in_some_year(stamp.month, stamp.day, seconds, calendar)
                if time is not None:
                    return self._anchored(time, line)
        time = self._after_last(seconds, calendar) if state.dated else self._provisional(seconds, offset)
        state.last = time
        return time

    def settle(self, mtime: float, ended: float | None = None) -> Shift | None:
        """Call it at each end of the file: what must be mended in the times given so far, or None (mostly).

        mtime: the file's modification time. ended: the moment at which the end was seen, while following; a stamp
        without date that comes after a day of silence finds its day by it. The first call that finds a time makes all
        later times final: the last provisional time goes to the last day on which it is at or before mtime (or up to
        two hours after it: clock skew). A dated line before that has the same effect from that line on.
        """
        state = self.state
        if ended is not None and math.isfinite(ended):
            state.ended = ended
        if state.offset is None or state.first is None or state.newest is None:
            return None
        wall = state.newest + state.offset
        day = math.floor(wall / DAY)
        days, before = state.days, state.before
        if days is None:
            latest = self._local.latest(wall - day * DAY, mtime + SKEW)
            days, before = latest - EPOCH - day, None
        shift = Shift(days, before, state.offset, self._local)
        first, last = shift.by(state.first), shift.by(state.newest)
        if not state.dated:
            state.last, state.dated = state.newest + last, True
        state.offset = state.first = state.newest = state.days = state.before = None
        return shift if first or last else None

    def _anchored(self, time: float, line: int) -> float:
        """A time whose day is certain: later stamps without date go on from it, provisional ones are measured by it."""
        state = self.state
        known = [t for t in (self.reference, state.ended, state.last if state.dated else None) if t is not None]
        if not 0.0 <= time <= max(known) + DAY:
            return time  # no line can be of the future: echoed text
        if not state.dated:
            if state.newest is not None and state.offset is not None:
                state.days, state.before = self._days_before(time, state.newest + state.offset), line
            state.dated, state.last = True, time
        elif state.last is None or time >= state.last - HALF_DAY:
            state.last = time
        return time

    def _days_before(self, anchor: float, wall: float) -> int:
        """The days by which the provisional wall time must move to stand just before the dated line."""
        day, seconds = self._local.split(anchor)
        last = math.floor(wall / DAY)
        back = wall - last * DAY - seconds
        if back > HALF_DAY:
            day -= 1
        elif back < SKEW - DAY:
            day += 1
        return day - EPOCH - last

    def _provisional(self, seconds: float, offset: float | None) -> float:
        """While no day is certain: days of 24 hours at one offset, so that `Shift` can tell the wall clock again."""
        state = self.state
        if state.offset is None:
            state.offset = self._local.offset(self.reference)
        if offset is not None:
            seconds = (seconds - offset + state.offset) % DAY
        calendar = self._calendar(state.offset)
        if state.newest is None:
            time = calendar.at(calendar.latest(seconds, self.reference + SKEW), seconds)
            state.first = time
        else:
            time = calendar.next(state.newest, seconds)
        state.newest = time
        return time

    def _after_last(self, seconds: float, calendar: Calendar) -> float:
        state = self.state
        if state.last is None:
            return calendar.at(calendar.latest(seconds, self.reference + SKEW), seconds)
        time = calendar.next(state.last, seconds)
        if state.ended is not None and time < state.ended - HALF_DAY:
            # More than a day went by in silence. Half a day is left for a host whose zone is not ours.
            day, _ = calendar.split(state.ended - HALF_DAY)
            time = calendar.at(day, seconds, state.last)
            if time < state.ended - HALF_DAY:
                time = calendar.at(day + 1, seconds, state.last)
        return time

    def _in_some_year(self, month: int, day: int, seconds: float, calendar: Calendar) -> float | None:
        """Nearest to the last certain time; before there is one, the last such day not after the reference."""
        state = self.state
        last = state.last if state.dated else None
        about = self.reference if last is None else last
        if last is not None and self._day is not None and self._day[:2] == (month, day):
            time = calendar.at(self._day[2], seconds, last)
            if abs(time - about) < _HALF_YEAR:
                return time
        year = dt.date.fromordinal(calendar.split(about)[0]).year
        best = None
        # 29 February comes every four years, and after eight around 2100.
        for candidate in (year, year + 1, year - 1, *((*range(year - 8, year - 1), *range(year + 2, year + 9))
                          if (month, day) == (2, 29) else ())):  # fmt: skip
            ordinal = day_of(candidate, month, day)
            if ordinal is None:
                continue
            time = calendar.at(ordinal, seconds, last)
            if last is None and time > about + DAY:
                continue
            if best is None or abs(time - about) < abs(best - about):
                best, self._day = time, (month, day, ordinal)
            if last is not None and abs(best - about) < _HALF_YEAR:
                break
        return best

    def _calendar(self, offset: float) -> Calendar:
        calendar = self._others.get(offset)
        if calendar is None:
            if len(self._others) >= 64:
                self._others.clear()
            calendar = self._others[offset] = Calendar(dt.timezone(dt.timedelta(seconds=offset)))
        return calendar
