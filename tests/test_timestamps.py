"""The laws of time: what a stamp leaves out is found again, in every zone, over midnights, years and clock changes."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rli_agent.parsers.headers import Stamp
from rli_agent.parsers.timestamps import Clock, ClockState, Shift

HOUR = 3600.0
UTC = dt.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

zones = st.one_of(
    st.sampled_from(sorted(zoneinfo.available_timezones() - {"localtime"})).map(zoneinfo.ZoneInfo),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
)
starts = st.integers(int(dt.datetime(2016, 1, 1).timestamp()), int(dt.datetime(2035, 1, 1).timestamp())).map(float)


def gaps(hours: float) -> st.SearchStrategy[list[float]]:
    near = st.floats(0, 90).map(lambda s: round(s, 3))
    far = st.floats(0, hours * HOUR).map(lambda s: round(s, 3))
    return st.lists(st.one_of(near, far), min_size=1, max_size=30)


def unix(*when: int, zone: dt.tzinfo = UTC, fold: int = 0) -> float:
    return dt.datetime(*when, tzinfo=zone, fold=fold).timestamp()  # type: ignore[arg-type, misc]


def wall(time: float, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(time // 1, zone)


def told_once(time: float, zone: dt.tzinfo) -> bool:
    """The wall clock shows this time only once."""
    shown = wall(time, zone)
    return shown.replace(fold=0).utcoffset() == shown.replace(fold=1).utcoffset()


def stamp(time: float, zone: dt.tzinfo, date: str = "") -> Stamp:
    """What a log line would say: `date` is "" (time of day alone), "md" or "ymd"."""
    shown = wall(time, zone)
    return Stamp(
        shown.year if "y" in date else None,
        shown.month if "m" in date else None,
        shown.day if "d" in date else None,
        shown.hour * 3600 + shown.minute * 60 + shown.second + time % 1,
    )


def times_of(start: float, between: list[float]) -> list[float]:
    return [round(t, 3) for t in itertools.accumulate(between, initial=start)]


def mended(times: list[float], shift: Shift | None) -> list[float]:
    if shift is None:
        return times
    return [t + shift.by(t) if shift.before is None or line < shift.before else t for line, t in enumerate(times)]


def read(clock: Clock, stamps: list[Stamp], first_line: int = 0) -> list[float]:
    return [clock.time_of(s, line) for line, s in enumerate(stamps, first_line)]


def close(found: list[float], truth: list[float]) -> bool:
    return len(found) == len(truth) and all(abs(a - b) < 1e-3 for a, b in zip(found, truth, strict=True))


@given(st.integers(-14, 14), starts, gaps(11.99), st.floats(-1.9, 21.9))
def test_midnights_are_counted_and_the_end_of_file_names_the_day(
    hours: int, start: float, between: list[float], after: float
) -> None:
    zone, truth = dt.timezone(dt.timedelta(hours=hours)), times_of(start, between)
    mtime = truth[-1] + after * HOUR
    clock = Clock(ClockState(), zone, mtime)
    provisional = read(clock, [stamp(t, zone) for t in truth])
    assert provisional == sorted(provisional)
    assert close(mended(provisional, clock.settle(mtime)), truth)
    assert clock.state.dated
    assert clock.settle(mtime) is None


@given(zones, starts, gaps(8.5), st.floats(-1.9, 19))
def test_the_same_in_every_zone_through_clock_changes(
    zone: dt.tzinfo, start: float, between: list[float], after: float
) -> None:
    truth = times_of(start, between)
    mtime = truth[-1] + after * HOUR
    assume(all(told_once(t, zone) for t in [*truth, mtime]))
    clock = Clock(ClockState(), zone, mtime)
    provisional = read(clock, [stamp(t, zone) for t in truth])
    assert close(mended(provisional, clock.settle(mtime)), truth)


@given(zones, starts, gaps(11.99), st.sampled_from(["ymd", "md"]))
def test_after_a_dated_line_times_are_right_at_once(
    zone: dt.tzinfo, start: float, between: list[float], date: str
) -> None:
    truth = times_of(start, between)
    assume(all(told_once(t, zone) for t in truth))
    clock = Clock(ClockState(), zone, truth[-1])
    found = read(clock, [stamp(truth[0], zone, date), *(stamp(t, zone) for t in truth[1:])])
    assert close(found, truth)
    assert clock.settle(truth[-1]) is None


@given(zones, starts, gaps(8.5), st.data())
def test_a_dated_line_in_the_middle_mends_those_before_it_alone(
    zone: dt.tzinfo, start: float, between: list[float], data: st.DataObject
) -> None:
    truth = times_of(start, between)
    assume(all(told_once(t, zone) for t in truth))
    anchor = data.draw(st.integers(1, len(truth) - 1))
    clock = Clock(ClockState(), zone, truth[-1] + 5 * 86400)
    found = read(clock, [stamp(t, zone, "ymd" if line == anchor else "") for line, t in enumerate(truth)])
    assert close(found[anchor:], truth[anchor:])
    shift = clock.settle(truth[-1] + 5 * 86400)
    assert shift is not None
    assert shift.before == anchor
    assert close(mended(found, shift), truth)
    assert clock.settle(truth[-1]) is None


@given(zones, starts, gaps(100 * 24), st.floats(0, 40))
def test_years_left_out_are_found(zone: dt.tzinfo, start: float, between: list[float], after: float) -> None:
    truth = times_of(start, between)
    assume(all(told_once(t, zone) for t in truth))
    clock = Clock(ClockState(), zone, truth[0] + after * 86400)
    found = [clock.time_of(stamp(truth[0], zone, "md"))]
    for line, time in enumerate(truth[1:], 1):
        clock.reference = max(clock.reference, time)
        found.append(clock.time_of(stamp(time, zone, "md"), line))
    assert close(found, truth)


@given(zones, starts, gaps(8.5), gaps(8.5), st.data())
def test_a_restart_changes_nothing(
    zone: dt.tzinfo, start: float, before: list[float], after: list[float], data: st.DataObject
) -> None:
    stamps = [stamp(t, zone, data.draw(st.sampled_from(["", "", "", "md", "ymd"]))) for t in times_of(start, before)]
    more = [stamp(t, zone) for t in times_of(start + sum(before), after)]
    mtime = start + sum(before) + 60.0
    cut = data.draw(st.integers(0, len(stamps)))
    whole = Clock(ClockState(), zone, mtime)
    once = read(whole, stamps)
    shift = whole.settle(mtime)
    once += read(whole, more, len(stamps))

    def again(state: ClockState) -> Clock:
        return Clock(msgspec.json.decode(msgspec.json.encode(state), type=ClockState), zone, mtime)

    clock = again(ClockState())
    parts = read(clock, stamps[:cut])
    clock = again(clock.state)
    parts += read(clock, stamps[cut:], cut)
    clock = again(clock.state)
    assert mended(parts, clock.settle(mtime)) == mended(once[: len(stamps)], shift)
    clock = again(clock.state)
    assert read(clock, more, len(stamps)) == once[len(stamps) :]


@given(zones, starts, gaps(8.5), gaps(11.99))
def test_a_followed_file_crosses_midnights_by_itself(
    zone: dt.tzinfo, start: float, between: list[float], live: list[float]
) -> None:
    truth = times_of(start, between)
    later = times_of(truth[-1], live)[1:]
    assume(all(told_once(t, zone) for t in [*truth, *later]))
    clock = Clock(ClockState(), zone, truth[-1])
    read(clock, [stamp(t, zone) for t in truth])
    clock.settle(truth[-1], ended=truth[-1] + 1.0)
    for time in later:
        assert close([clock.time_of(stamp(time, zone))], [time])
        assert clock.settle(time, ended=time + 1.0) is None


def test_days_of_silence_in_a_followed_file() -> None:
    clock = Clock(ClockState(), BERLIN, unix(2025, 10, 24, 8, zone=BERLIN))
    clock.time_of(Stamp(seconds=8 * HOUR))
    clock.settle(unix(2025, 10, 24, 8, zone=BERLIN))
    clock.settle(unix(2025, 10, 24, 8, zone=BERLIN), ended=unix(2025, 10, 28, 9, zone=BERLIN))
    assert clock.time_of(Stamp(seconds=9.5 * HOUR)) == unix(2025, 10, 28, 9, 30, zone=BERLIN)
    assert clock.time_of(Stamp(seconds=20 * HOUR)) == unix(2025, 10, 28, 20, zone=BERLIN)
    assert clock.time_of(Stamp(seconds=1 * HOUR)) == unix(2025, 10, 29, 1, zone=BERLIN)


def test_steps_back_are_not_midnights() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 2, 12))
    clock.time_of(Stamp(2026, 5, 1, 20 * HOUR))
    for hour, day in ((9, 1), (20, 1), (23.9997, 1), (0.0003, 2), (23.9999, 1), (0.001, 2), (13, 2), (0.5, 3)):
        expected = unix(2026, 5, day) + hour * HOUR
        assert clock.time_of(Stamp(seconds=hour * HOUR)) == pytest.approx(expected, abs=1e-3)


def test_before_the_end_of_the_file_a_time_is_not_of_the_future() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 2, 0, 0, 5))
    assert clock.time_of(Stamp(seconds=86398.0)) == unix(2026, 5, 1, 23, 59, 58)
    assert clock.time_of(Stamp(seconds=3.0)) == unix(2026, 5, 2, 0, 0, 3)
    assert clock.settle(unix(2026, 5, 2, 0, 0, 4)) is None


def test_an_end_of_file_without_any_time_settles_nothing() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 2))
    assert clock.settle(unix(2026, 5, 2)) is None
    assert not clock.state.dated


def test_the_hour_that_comes_twice_goes_on() -> None:
    clock = Clock(ClockState(), BERLIN, unix(2025, 10, 26, 12))
    shown = ["02:10", "02:50", "02:49:59", "02:10", "02:09:59", "02:50", "03:10"]  # one thread is a second behind
    found = [clock.time_of(stamp_at(2025, 10, 26, time)) for time in shown]
    midnight = unix(2025, 10, 26, zone=BERLIN)
    assert [t - midnight for t in found] == [7800, 10200, 10199, 11400, 11399, 13800, 15000]


def test_the_hour_that_is_skipped_has_a_time() -> None:
    clock = Clock(ClockState(), BERLIN, unix(2025, 3, 30, 12))
    found = [clock.time_of(stamp_at(2025, 3, 30, time)) for time in ("01:59:59", "02:30", "03:30", "03:31")]
    assert found == sorted(found)
    assert found[-1] == unix(2025, 3, 30, 1, 31)


def stamp_at(year: int | None, month: int, day: int, time: str, offset: float | None = None) -> Stamp:
    hour, minute, second = [int(part) for part in f"{time}:0".split(":")[:3]]
    return Stamp(year, month, day, hour * 3600.0 + minute * 60 + second, offset)


def test_the_year_turns() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 1, 3))
    assert clock.time_of(stamp_at(None, 12, 31, "23:59:59")) == unix(2025, 12, 31, 23, 59, 59)
    assert clock.time_of(Stamp(seconds=1.0)) == unix(2026, 1, 1, 0, 0, 1)
    assert clock.time_of(stamp_at(None, 12, 31, "23:59:58")) == unix(2025, 12, 31, 23, 59, 58)
    assert clock.time_of(stamp_at(None, 1, 1, "00:00:02")) == unix(2026, 1, 1, 0, 0, 2)


def test_a_date_without_year_is_not_of_the_future() -> None:
    assert Clock(ClockState(), UTC, unix(2026, 1, 3)).time_of(stamp_at(None, 6, 20, "12:00")) == unix(2025, 6, 20, 12)
    assert Clock(ClockState(), UTC, unix(2026, 1, 3)).time_of(stamp_at(None, 1, 4, "00:00")) == unix(2026, 1, 4)


def test_a_short_night_is_still_a_night() -> None:
    clock = Clock(ClockState(), BERLIN, unix(2025, 3, 30, 12))
    clock.time_of(stamp_at(2025, 3, 29, "20:15"))
    assert clock.time_of(Stamp(seconds=9 * HOUR)) == unix(2025, 3, 30, 9, zone=BERLIN)  # 11 h 45 min later


def test_a_dated_line_that_comes_late_belongs_to_the_day_before() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 9))
    found = [clock.time_of(Stamp(seconds=3.0), 1), clock.time_of(stamp_at(2026, 5, 1, "23:59:58"), 2)]
    shift = clock.settle(unix(2026, 5, 9))
    assert shift is not None
    assert found[0] + shift.by(found[0]) == unix(2026, 5, 2, 0, 0, 3)


def test_the_leap_day_names_its_year() -> None:
    assert Clock(ClockState(), UTC, unix(2026, 1, 3)).time_of(stamp_at(None, 2, 29, "12:00")) == unix(2024, 2, 29, 12)
    assert Clock(ClockState(), UTC, unix(2024, 3, 1)).time_of(stamp_at(None, 2, 29, "12:00")) == unix(2024, 2, 29, 12)


def test_a_zone_in_the_text_and_unix_seconds_win_over_the_host() -> None:
    clock = Clock(ClockState(), BERLIN, unix(2026, 11, 21, 8))
    assert clock.time_of(stamp_at(2026, 11, 21, "07:13:49", 0.0)) == unix(2026, 11, 21, 7, 13, 49)
    assert clock.time_of(Stamp(seconds=8 * HOUR + 840)) == unix(2026, 11, 21, 7, 14)  # the host's own clock again
    assert clock.time_of(Stamp(epoch=unix(2026, 11, 21, 7, 15))) == unix(2026, 11, 21, 7, 15)
    assert clock.time_of(Stamp(seconds=7 * HOUR + 960, offset=0.0)) == unix(2026, 11, 21, 7, 16)


def test_echoed_dates_do_not_move_the_clock() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 2))
    clock.time_of(stamp_at(2026, 5, 1, "10:00"))
    assert clock.time_of(stamp_at(2099, 1, 1, "10:00")) == unix(2099, 1, 1, 10)
    assert clock.time_of(stamp_at(2023, 1, 1, "10:00")) == unix(2023, 1, 1, 10)
    assert clock.time_of(Stamp(seconds=11 * HOUR)) == unix(2026, 5, 1, 11)


def test_a_date_that_does_not_exist_counts_as_none() -> None:
    clock = Clock(ClockState(), UTC, unix(2026, 5, 2))
    clock.time_of(stamp_at(2026, 5, 1, "10:00"))
    assert clock.time_of(stamp_at(2026, 2, 30, "11:00")) == unix(2026, 5, 1, 11)
    assert clock.time_of(stamp_at(None, 2, 30, "12:00")) == unix(2026, 5, 1, 12)


maybe = st.none() | st.floats()
stamps = st.builds(Stamp, st.none() | st.integers(), st.none() | st.integers(0, 13), st.none() | st.integers(0, 32),
                   st.none() | st.floats() | st.floats(0, 86400), maybe, st.none() | st.floats())  # fmt: skip


@example(dt.timezone.utc, 0.0, [Stamp(epoch=0.0), Stamp(month=0, day=0)])
@given(zones, st.floats(0, 4e9), st.lists(stamps, max_size=8))
def test_no_stamp_breaks_the_clock(zone: dt.tzinfo, reference: float, many: list[Stamp]) -> None:
    clock = Clock(ClockState(), zone, reference)
    for line, one in enumerate(many):
        assert isinstance(clock.time_of(one, line), float)
    clock.settle(reference)
    assert isinstance(clock.time_of(Stamp(seconds=5.0)), float)
