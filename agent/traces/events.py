"""The events of a trace file one after the other, whatever its size.

A file is a JSON array of events, or an object with such an array under `traceEvents` (Trace Event Format); either may
be compressed, and cut off where its writer died.
"""

from __future__ import annotations

import codecs
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.errors import UserError

#: Text that is read of a file; the longest event, or value beside the events (characters).
MOST, LONGEST = 1 << 30, 8 << 20
_CHUNK = 1 << 20
_GZIP, _GZIP_FORMAT = b"\x1f\x8b", 31
_SPACE = " \t\r\n"


class Named(Struct):
    """What an event that names a process or a thread tells."""

    name: Any = None


class Event(Struct):
    """An event as it is written; what is left out is None. ph: X is a whole span, B and E its ends, M a name."""

    ph: Any = None
    name: Any = None
    cat: Any = None
    ts: Any = None
    dur: Any = None
    pid: Any = None
    tid: Any = None
    args: Named | None = None


_decode_many = msgspec.json.Decoder(list[Event]).decode


class Events:
    """Iterate once. Afterwards `about` holds what stands beside the events (`distributedInfo` …), and `cut` says why
    not all was read, if so; `read` counts characters."""

    def __init__(self, path: Path) -> None:
        """Raises UserError for a file that cannot be opened."""
        self.path = path
        self.about: dict[str, Any] = {}
        self.cut = ""
        self._text, self._at, self._end = "", 0, False
        self.read = 0
        self._fresh = False  # something was read of which no event was handed out yet
        self._decode = json.JSONDecoder().raw_decode
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            self._file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115
            self._left = self._file.read(2)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}", "give a trace's file") from None
        self._unpack = zlib.decompressobj(_GZIP_FORMAT) if self._left == _GZIP else None

    def __iter__(self) -> Iterator[Event]:
        """The events. Raises UserError for what is no such file."""
        with self._file:
            first = self._next()
            if first == "[":
                yield from self._items()
            elif first == "{":
                yield from self._members()
            else:
                self._refuse()

    def _refuse(self) -> None:
        hint = "a trace is a JSON array of events, or an object with `traceEvents`"
        raise UserError(f"{self.path} is not a trace", hint)

    def _members(self) -> Iterator[Event]:
        """The object's values: events are handed out, the rest kept."""
        self._at += 1
        found = False
        while (mark := self._next()) and mark != "}":
            if mark == ",":
                self._at += 1
                continue
            key = self._value()
            if not isinstance(key, str) or self._next() != ":":
                break
            self._at += 1
            if key == "traceEvents" and self._next() == "[":
                found = True
                yield from self._items()
                if self.cut:
                    return
                continue
            value = self._value()
            if value is None and self.cut:
                break
            self.about[key] = value
        if not found:
            self._refuse()
        if not mark:
            self.cut = self.cut or "it ends in its middle"

    def _items(self) -> Iterator[Event]:
        self._at += 1
        while (mark := self._next()) and mark != "]":
            if mark == ",":
                self._at += 1
                continue
            if self._fresh:
                self._fresh = False
                yield from self._many()
                continue
            value = self._value()
            if self.cut:
                return
            if isinstance(value, dict):
                yield _event(value)
        self._at += 1
        if not mark:
            self.cut = self.cut or "it ends in its middle"

    def _many(self) -> Sequence[Event]:
        """All events of what was read so far but the last, at once; none where that cannot be."""
        end = self._text.rfind("}", 0, self._text.rfind("{"))
        if end < self._at or self._text[end + 1 : end + 40].strip(_SPACE)[:1] != ",":
            return ()
        try:
            found = _decode_many(f"[{self._text[self._at : end + 1]}]")
        except (ValueError, RecursionError):
            return ()
        self._at = self._text.index(",", end) + 1
        return found

    def _next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _value(self) -> Any:
        """The JSON value that comes next; None, and `cut`, where there is none."""
        self._next()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if end < len(self._text) or self._end:  # or it may go on: a number
                    self._at = end
                    return value
            except RecursionError:
                self.cut = "it is nested too deeply"
                return None
            except ValueError:
                if self._end:
                    self.cut = self.cut or "it ends in its middle"
                    return None
            if len(self._text) - self._at > LONGEST:
                self.cut = "it holds something that is not an event"
                return None
            self._more()

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        if self._end:
            return False
        try:
            data = self._piece() if self.read < MOST else b""
        except (OSError, zlib.error) as error:
            self.cut = f"it cannot be read on: {error}"[:200]
            data = b""
        if not data:
            self._end = True
            if self.read >= MOST:
                self.cut = f"only its first {MOST >> 20} MiB were read"
            return False
        self.read += len(data)
        self._text = self._text[self._at :] + self._utf8.decode(data)
        self._at, self._fresh = 0, True
        return True

    def _piece(self) -> bytes:
        """The next bytes of the text; what was cut off is given as far as it goes."""
        while data := self._left or self._file.read(_CHUNK):
            self._left = b""
            if self._unpack is None:
                return data
            if self._unpack.eof:  # another member follows
                self._unpack = zlib.decompressobj(_GZIP_FORMAT)
            found = self._unpack.decompress(data, _CHUNK)
            self._left = self._unpack.unconsumed_tail or self._unpack.unused_data
            if found:
                return found
        return b""


def _event(told: dict[str, Any]) -> Event:
    """One event that stood alone."""
    args = told.get("args")
    about = Named(args.get("name")) if isinstance(args, dict) else None
    ph, name, cat, ts, dur, pid, tid = (told.get(key) for key in ("ph", "name", "cat", "ts", "dur", "pid", "tid"))
    return Event(ph, name, cat, ts, dur, pid, tid, about)
