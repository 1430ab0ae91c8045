"""Days of one zone and their place in Unix time: hours that the clocks pass twice or skip, and a file's midnights."""

from __future__ import annotations

import datetime as dt
import math

DAY = 86400.0
HALF_DAY = DAY / 2
#: How far clocks may disagree: of the writing host and the file server's, of threads that write one file.
SKEW = 7200.0
#: A step back within this, in the hour that the end of summer time repeats, is threads' disorder, not the second pass.
_DISORDER = 60.0
#: 1 January 1970 as a day.
EPOCH = dt.datetime(1970, 1, 1).toordinal()
_YEARS = range(1970, 3000)
_LATEST = 1000 * 365 * DAY


class Calendar:
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
        while self.at(day, seconds) > until and day > EPOCH:
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

    def offset(self, time: float) -> float:
        """Seconds by which the zone is ahead of UTC at that time."""
        offset = dt.datetime.fromtimestamp(min(max(time, 0.0), _LATEST), self._zone).utcoffset()
        return 0.0 if offset is None else offset.total_seconds()

    def _look_up(self, day: int) -> tuple[float, bool]:
        start = dt.datetime.fromordinal(day).replace(tzinfo=self._zone)
        end = dt.datetime.fromordinal(day + 1).replace(tzinfo=self._zone)
        found = start.timestamp(), start.utcoffset() == end.utcoffset()
        if len(self._days) >= 16:
            self._days.clear()
        self._days[day] = found
        return found


def day_of(year: int, month: int, day: int) -> int | None:
    """The day of a date; None where there is no such date, or none that a log can be of."""
    try:
        return dt.date(year, month, day).toordinal() if year in _YEARS else None
    except ValueError:
        return None
