"""The only place that decides times: what stands in a line's stamp, made into Unix seconds.

A stamp may lack its year (vLLM, glog), its date (prime-rl) or its zone; what it lacks comes from the lines before, the
file's modification time, and the host's zone, all passed in. Lines without any stamp get theirs from `rebuild`.
"""

from __future__ import annotations

import datetime as dt
import math
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from rli_agent.parsers.headers import Stamp

DAY = 86400.0
HALF_DAY = DAY / 2
#: How far clocks may disagree: of the writing host and the file server's, of threads that write one file.
SKEW = 7200.0
#: A step back within this, in the hour that the end of summer time repeats, is threads' disorder, not the second pass.
_DISORDER = 60.0
_EPOCH = dt.datetime(1970, 1, 1).toordinal()
_YEARS = range(1970, 3000)
_LATEST = 1000 * 365 * DAY


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
    calendar: _Calendar

    def by(self, time: float) -> float:
        """Seconds to be added to a line's provisional time, and to all that was derived from it (a state's start)."""
        wall = time + self.offset
        day = math.floor(wall / DAY)
        return self.calendar.at(_EPOCH + day + self.days, wall - day * DAY) - time


class Clock:
    """Turns the stamps of one file, in the order of its lines, into Unix seconds.

    zone: of the host that wrote the file, used where a stamp names none. reference: Unix seconds near which the lines
    lie: the file's modification time when it already stood there, the present when it is being followed (the attribute
    may be moved on). It picks the year of a stamp without one and, provisionally, the day of a stamp without date.
    """

    def __init__(self, state: ClockState, zone: dt.tzinfo, reference: float) -> None:
        self.state = state
        self.zone = zone
        self.reference = reference
        self._local = _Calendar(zone)
        self._others: dict[float, _Calendar] = {}

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
                day = _ordinal(stamp.year, stamp.month, stamp.day)
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
            days, before = latest - _EPOCH - day, None
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
        return day - _EPOCH - last

    def _provisional(self, seconds: float, offset: float | None) -> float:
        """While no day is certain: days of 24 hours at one offset, so that `Shift` can tell the wall clock again."""
        state = self.state
        if state.offset is None:
            state.offset = _offset_at(self.zone, self.reference)
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

    def _after_last(self, seconds: float, calendar: _Calendar) -> float:
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

    def _in_some_year(self, month: int, day: int, seconds: float, calendar: _Calendar) -> float | None:
        """Nearest to the last certain time; before there is one, the last such day not after the reference."""
        state = self.state
        last = state.last if state.dated else None
        about = self.reference if last is None else last
        year = dt.date.fromordinal(calendar.split(about)[0]).year
        best = None
        # 29 February comes every four years, and after eight around 2100.
        for candidate in (year + 1, year, year - 1, *((*range(year - 8, year - 1), *range(year + 2, year + 9))
                          if (month, day) == (2, 29) else ())):  # fmt: skip
            ordinal = _ordinal(candidate, month, day)
            if ordinal is None:
                continue
            time = calendar.at(ordinal, seconds, last)
            if last is None and time > about + DAY:
                continue
            if best is None or abs(time - about) < abs(best - about):
                best = time
        return best

    def _calendar(self, offset: float) -> _Calendar:
        calendar = self._others.get(offset)
        if calendar is None:
            if len(self._others) >= 64:
                self._others.clear()
            calendar = self._others[offset] = _Calendar(dt.timezone(dt.timedelta(seconds=offset)))
        return calendar


class _Calendar:
    """Days of one zone, as proleptic ordinals (datetime.date.toordinal), and their place in Unix time."""

    def __init__(self, zone: dt.tzinfo) -> None:
        self._zone = zone
        self._days: dict[int, tuple[float, bool]] = {}
        self._recent = (0, math.inf)

    def at(self, day: int, seconds: float, after: float | None = None) -> float:
        """The time of day `seconds` on that day. An hour that the clocks pass twice is the second one if it would
        else lie before `after`; one that they skip is read on the clock that was not yet put forward."""
        midnight, plain = self._days.get(day) or self._look_up(day)
        if plain:
            return midnight + seconds
        whole = math.floor(seconds)
        wall = dt.datetime.fromordinal(day) + dt.timedelta(seconds=whole)
        first = wall.replace(tzinfo=self._zone).timestamp() + (seconds - whole)
        second = wall.replace(tzinfo=self._zone, fold=1).timestamp() + (seconds - whole)
        if second > first and after is not None and first < after - _DISORDER:
            return second
        return first

    def split(self, time: float) -> tuple[int, float]:
        """The day and the time of day that the wall clock shows at that time."""
        day, midnight = self._recent
        if midnight <= time < midnight + DAY:
            return day, time - midnight
        whole = math.floor(min(max(time, 0.0), _LATEST))
        wall = dt.datetime.fromtimestamp(whole, self._zone)
        day = wall.toordinal()
        midnight, plain = self._days.get(day) or self._look_up(day)
        if plain:
            self._recent = day, midnight
        return day, wall.hour * 3600 + wall.minute * 60 + wall.second + (time - whole)

    def latest(self, seconds: float, until: float) -> int:
        """The last day on which that time of day is not after `until`."""
        day, _ = self.split(until)
        while self.at(day, seconds) > until and day > _EPOCH:
            day -= 1
        return day

    def next(self, last: float, seconds: float) -> float:
        """That time of day as a file that grows means it, after a line at `last`.

        The same day, unless it would go back by more than half a day, or the next day's is less than half a day away:
        then midnight has passed. A lesser step back is a clock that was set, or threads that write in disorder. Over
        midnight such a step looks like almost a day forward.
        """
        day, _ = self.split(last)
        time = self.at(day, seconds, last)
        if time < last:
            later = self.at(day + 1, seconds, last)
            if later - last < HALF_DAY or last - time > HALF_DAY:
                return later
        elif time - last > DAY - SKEW:
            earlier = self.at(day - 1, seconds, last)
            if last - earlier <= SKEW:
                return earlier
        return time

    def _look_up(self, day: int) -> tuple[float, bool]:
        start = dt.datetime.fromordinal(day).replace(tzinfo=self._zone)
        end = dt.datetime.fromordinal(day + 1).replace(tzinfo=self._zone)
        found = start.timestamp(), start.utcoffset() == end.utcoffset()
        if len(self._days) >= 16:
            self._days.clear()
        self._days[day] = found
        return found


def _ordinal(year: int, month: int, day: int) -> int | None:
    try:
        return dt.date(year, month, day).toordinal() if year in _YEARS else None
    except ValueError:
        return None


def _offset_at(zone: dt.tzinfo, time: float) -> float:
    offset = dt.datetime.fromtimestamp(min(max(time, 0.0), _LATEST), zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


class Mark(NamedTuple):
    """A line that stands in time: `time` where it is known, `lasted` the seconds that it says went by since
    the mark before it that says so too (None or 0: it does not say)."""

    line: int
    time: float | None
    lasted: float | None


def rebuild(marks: Iterable[Mark], end: float) -> Iterator[tuple[int, float]]:
    """Times for the marks of a finished file that have none, in the order in which they become known.

    marks: in **reverse** order of lines. end: the time of the last one, as a rule the file's modification time.
    A known time bounds the others: those before it are not after it, those after it not before it. Durations reach
    back over known times between: a step of 60 s ends 60 s after the step before it, whatever else was stamped inside.
    Times never decrease with the line. Memory: 16 bytes for each mark between two known times.
    """
    lines, times = array("q"), array("d")
    cursor, ceiling = end, math.inf
    earliest = math.inf  # in this run, the time of the mark nearest to its beginning that tells a duration
    for line, known, lasted in marks:
        lasted = lasted if lasted is not None and 0.0 < lasted < math.inf else None
        if known is None:
            lines.append(line)
            times.append(cursor)
            if lasted is not None:
                earliest = cursor
        else:
            ceiling = min(known, ceiling)
            if earliest < ceiling:
                cursor += ceiling - earliest  # durations claim more than went by: that mark moves up, and its start
            yield from ((at, max(time, ceiling)) for at, time in zip(lines, times, strict=True))
            del lines[:], times[:]
            earliest = math.inf
            cursor = min(cursor, ceiling) if lasted is None else ceiling
        cursor -= lasted or 0.0
    yield from zip(lines, times, strict=True)
