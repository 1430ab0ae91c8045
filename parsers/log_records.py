"""Log records in JSON: a message with its level, its time and its traceback, one object a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from rli_agent.parsers.headers import Header, Stamp, read_stamp


def log_record(body: bytes) -> tuple[Header, str] | None:
    """The header of a log record (its rest empty) and its message, with the traceback behind it; None for others."""
    try:
        record = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    message = _first(record, "message", "msg", "event") if isinstance(record, dict) else None
    if not isinstance(message, str):
        return None
    level = _first(record, "level", "levelname", "severity")
    header = Header(_level(level), iso_stamp(_first(record, "timestamp", "time", "asctime", "ts")), "", 0)
    trace = _first(record, "exception", "exc_info", "traceback")
    return header, f"{message}\n{trace}" if isinstance(trace, str) else message


def _first(record: Mapping[str, Any], *keys: str) -> Any:
    return next((record[k] for k in keys if k in record), None)


def _level(word: Any) -> str | None:
    if isinstance(word, dict):
        word = word.get("name")
    if not isinstance(word, str):
        return None
    return {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG"}.get(word.upper(), word.upper())


def iso_stamp(text: Any) -> Stamp | None:
    """A stamp of a record: ISO 8601 with or without zone, or Unix seconds."""
    if isinstance(text, int | float) and 1e9 < text < 1e11:
        return Stamp(None, None, None, None, None, float(text))
    if not isinstance(text, str):
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip()).replace("Z", "+00:00").replace(",", ".")
    try:
        t = datetime.fromisoformat(text)
    except ValueError:
        return read_stamp(text)
    seconds = t.hour * 3600 + t.minute * 60 + t.second + t.microsecond / 1e6
    zone = t.utcoffset()
    return Stamp(t.year, t.month, t.day, seconds, zone.total_seconds() if zone is not None else None, None)
