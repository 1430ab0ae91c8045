"""LevelDB's log framing, as W&B writes it: blocks of 32 KiB of fragments, each behind checksum, length and type.

A fragment's header is CRC32 (4 bytes), length (2), type (1), little-endian. A record is one fragment (type 1) or
several (2 first, 3 middle, 4 last); what is left of a block and has no room for a header is padding. W&B's file begins
with 7 bytes of its own, and its checksum is zlib's CRC32 over type and content.
Source: google/leveldb doc/log_format.md; checked against what wandb 0.31 writes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 32_768
MAGIC = b":W&B\xe1\xbe\x00"
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class _Fragment(NamedTuple):
    """`end`: where it ends in the data, as its header says. `content`: None where its checksum is wrong."""

    kind: int
    end: int
    content: bytes | None


def whole(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """Where the last whole record of `data[at:]` ends, and how many there are; a `Framing` of follow/cursor.py."""
    start = offset - at
    place, end, count = at, at, 0
    while place < len(data):
        if place + start < len(MAGIC):
            place = len(MAGIC) - start
            end = min(place, len(data))
            continue
        place = _past_padding(place, start)
        if place + _HEADER.size > len(data):
            place += _HEADER.size
            break
        fragment = _fragment(data, place, start)
        if fragment is None:  # no header: on with the next block
            place = _next_block(place, start)
            if place <= len(data):
                end, count = place, count + 1
            continue
        place = fragment.end
        if fragment.kind in (_FULL, _LAST) and place <= len(data):
            end, count = place, count + 1
    if at < end <= len(data):
        return end, count
    return max(place, len(data) + 1), 1


def records(data: bytes, offset: int) -> Iterator[tuple[int, bytes | None]]:
    """Place and content of each record that ends in the data, which lies at `offset` of its file; None in place of what
    is damaged."""
    at, begun, sound = 0, 0, True
    parts: list[bytes] = []
    while at < len(data):
        if at + offset < len(MAGIC):
            at = len(MAGIC) - offset
            continue
        at = _past_padding(at, offset)
        if at + _HEADER.size > len(data):
            return
        fragment = _fragment(data, at, offset)
        if fragment is None:
            yield at, None
            at, parts = _next_block(at, offset), []
            continue
        if fragment.kind in (_FULL, _FIRST):
            begun, parts, sound = at, [], True
        elif not parts:
            sound = False  # its beginning was lost
        sound = sound and fragment.content is not None
        parts.append(fragment.content or b"")
        at = fragment.end
        if fragment.kind in (_FULL, _LAST):
            yield begun, b"".join(parts) if sound else None
            parts = []


def _fragment(data: bytes, at: int, start: int) -> _Fragment | None:
    """The fragment at this place; None where no header stands."""
    check, length, kind = _HEADER.unpack_from(data, at)
    if not _FULL <= kind <= _LAST or at + _HEADER.size + length > _next_block(at, start):
        return None
    begin = at + _HEADER.size
    end = begin + length
    content = data[begin:end]
    return _Fragment(kind, end, content if zlib.crc32(data[at + 6 : at + 7] + content) == check else None)


def _past_padding(at: int, start: int) -> int:
    left = BLOCK - (at + start) % BLOCK
    return at + left if left < _HEADER.size else at


def _next_block(at: int, start: int) -> int:
    return at + BLOCK - (at + start) % BLOCK
