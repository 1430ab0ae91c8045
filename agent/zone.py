"""The zone of this host, whose clock wrote the log lines that name no zone."""

from __future__ import annotations

import datetime as dt
import os
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rli_agent.errors import UserError


def named_zone(name: str | None) -> dt.tzinfo:
    """The zone called so in the IANA database; None: this host's. Raises UserError for a name that it does not know."""
    if name is None:
        return _host_zone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "give a name of the IANA database, like UTC or Europe/Paris"
        raise UserError(f"no time zone is called {name!r} here", hint) from None


def _host_zone() -> dt.tzinfo:
    """What $TZ or /etc/localtime say; where neither can be read, what the C library does."""
    given = os.environ.get("TZ")
    try:
        if given:
            return ZoneInfo(given.removeprefix(":"))
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _LibraryZone()


class _LibraryZone(dt.tzinfo):
    """The C library's local time, for a TZ that is no name of the database (`TZ=<+03>-3`)."""

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta | None:
        if when is None:
            return None
        return when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: dt.datetime | None) -> dt.timedelta | None:
        del when
        return None

    def tzname(self, when: dt.datetime | None) -> str | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, when: dt.datetime) -> dt.datetime:
        seconds = when.replace(tzinfo=dt.timezone.utc).timestamp()
        return dt.datetime.fromtimestamp(seconds).replace(microsecond=when.microsecond, tzinfo=self)
