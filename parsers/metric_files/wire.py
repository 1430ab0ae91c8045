"""Protobuf's wire format: a message's fields, without a schema.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protobuf message."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: integers for varints, bytes for all else, as they lie there. Raises WireError."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"wire type {kind}")
        if at + length > len(data):
            raise WireError("a field goes beyond the end")
        yield key >> 3, data[at : at + length]
        at += length


def messages(data: bytes, number: int) -> Iterator[bytes]:
    """The values of a field that holds messages, strings or bytes. Raises WireError."""
    for found, value in fields(data):
        if found == number and isinstance(value, bytes):
            yield value


def text(data: bytes, number: int) -> str:
    """A string field; "" where it is not set. Raises WireError."""
    return next(messages(data, number), b"").decode("utf-8", "replace")


def integer(value: int | bytes) -> int:
    """An int64 from its varint, which may be packed as a list of one."""
    if isinstance(value, bytes):
        number, end = _varint(value, 0)
        if end != len(value):
            raise WireError("not one integer")
        value = number
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: int | bytes) -> float:
    """A double from its eight bytes."""
    if not isinstance(value, bytes) or len(value) != 8:
        raise WireError("not a double")
    return float(struct.unpack("<d", value)[0])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
        shift += 7
    raise WireError("a number without end")
