"""TFRecord framing: length (8 bytes), its masked CRC32C (4), the record, the record's masked CRC32C (4), little-endian.

Source: tensorflow.org/tutorials/load_data/tfrecord; TensorBoard 2.21 and tensorboardX 2.6 write event files so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct("<QI")
_FOOTER = 4


def is_tfrecord(head: bytes) -> bool:
    """Whether a file's first bytes are a record's header."""
    return _length(head, 0) is not None


def whole(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """Where the last whole record of `data[at:]` ends, and how many there are; a `Framing` of follow/cursor.py.

    Where no header stands, what lies before the next one counts as one record (which `records` will not give).
    """
    del offset
    count = 0
    end = at
    while end < len(data):
        length = _length(data, end)
        if length is None:
            if len(data) - end < _HEADER.size:
                break
            end, count = _next_header(data, end + 1), count + 1
            continue
        beyond = end + _HEADER.size + length + _FOOTER
        if beyond > len(data):
            return (end, count) if count else (beyond, 1)
        end, count = beyond, count + 1
    return (end, count) if count else (at + _HEADER.size, 1)


def records(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Place and content of each record; None in place of what is damaged."""
    at = 0
    while len(data) - at >= _HEADER.size:
        length = _length(data, at)
        if length is None:
            yield at, None
            at = _next_header(data, at + 1)
            continue
        start = at + _HEADER.size
        end = start + length + _FOOTER
        record = data[start : start + length]
        sound = end <= len(data) and struct.unpack_from("<I", data, start + length)[0] == _masked(record)
        yield at, record if sound else None
        at = end


def _length(data: bytes, at: int) -> int | None:
    """The length that the header at this place gives; None where none stands."""
    if len(data) - at < _HEADER.size:
        return None
    length, check = _HEADER.unpack_from(data, at)
    return int(length) if length < 1 << 40 and check == _masked(data[at : at + 8]) else None


def _next_header(data: bytes, at: int) -> int:
    """The place of the next header; where there is none, the first place at which one could still be beginning."""
    last = len(data) - _HEADER.size
    place = at
    while 0 <= (place := data.find(b"\0\0\0", place + 5) - 5) <= last:  # the last bytes of a length below 2**40
        if _length(data, place) is not None:
            return place
        place += 1
    return max(at, last + 1)


def _masked(data: bytes) -> int:
    from google_crc32c import value  # late: most runs write no such file

    crc = int(value(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
