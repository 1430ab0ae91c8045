"""The host's zone: by its name, from the C library where the name is none, and the same instants either way."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rli_agent.errors import UserError
from rli_agent.zone import named_zone

#: What Europe/Berlin has been since 1996, as POSIX says it; the library knows it, the database has no such name.
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def by_rule() -> Iterator[dt.tzinfo]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", RULE)
        time.tzset()
        yield named_zone(None)
    time.tzset()


@given(st.integers(946_684_800, 2_145_916_800))
@example(1_792_889_999)  # within the hour that comes twice, the first time
@example(1_792_893_599)  # and the second
def test_a_rule_tells_the_same_times_as_its_zone(by_rule: dt.tzinfo, instant: int) -> None:
    here, there = dt.datetime.fromtimestamp(instant, by_rule), dt.datetime.fromtimestamp(instant, BERLIN)
    assert here.replace(tzinfo=None) == there.replace(tzinfo=None)
    assert (here.utcoffset(), here.timestamp()) == (there.utcoffset(), instant)


def test_tz_names_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert named_zone(None) == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize("name", ["Moon/Tranquility", "../../etc/passwd", "", "Europe"])
def test_a_name_that_is_none_is_the_users_mistake(name: str) -> None:
    with pytest.raises(UserError, match="no time zone is called"):
        named_zone(name)
