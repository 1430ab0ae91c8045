"""Where a record of TensorBoard's and W&B's files ends, also in a damaged one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_files import parsed

from rli_agent.parsers.metric_files import leveldb_log, tfrecords
from rli_agent.parsers.metric_files.figures import single


@given(st.lists(st.binary(max_size=60), max_size=12), st.data())
def test_a_framing_ends_where_a_record_ends(contents: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(_tfrecord(content) for content in contents)
    cut = data.draw(st.integers(0, len(whole)))
    end, count = tfrecords.whole(whole[:cut], 0, 0)
    ends = [len(b"".join(_tfrecord(c) for c in contents[:n])) for n in range(len(contents) + 1)]
    if end <= cut:
        assert end == max(e for e in ends if e <= cut)
        assert count == ends.index(end)
        assert [c for _, c in tfrecords.records(whole[:end])] == contents[:count]
    else:
        assert not [e for e in ends[1:] if e <= cut]


@given(st.binary(min_size=1, max_size=200), st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_records_behind_junk_are_found(junk: bytes, contents: list[bytes]) -> None:
    whole = junk + b"".join(_tfrecord(content) for content in contents)
    assert [c for _, c in tfrecords.records(whole) if c is not None][-len(contents) :] == contents


@given(st.lists(st.binary(max_size=70_000), min_size=1, max_size=4), st.integers(1, 50_000))
def test_fragments_of_wandb_records_are_joined(contents: list[bytes], chunk: int) -> None:
    """Read in pieces of any length: what is not whole is offered again with more behind it."""
    data = _leveldb(contents)
    found: list[bytes | None] = []
    offset, size = 0, chunk
    while offset < len(data):
        piece = data[offset : offset + size]
        end, _ = leveldb_log.whole(piece, 0, offset)
        if end <= len(piece):
            found += [record for _, record in leveldb_log.records(piece[:end], offset)]
            offset, size = offset + end, chunk
        else:
            assert offset + size < len(data)
            size = max(2 * size, end)
    assert found == contents


@given(st.floats(width=32, allow_nan=False))
def test_a_float_of_32_bits_is_its_shortest_decimal(value: float) -> None:
    raw = struct.pack("<f", value)
    assert struct.pack("<f", single(raw)) == raw


@pytest.mark.parametrize("name", ["events.out.tfevents.1.h", "run-x.wandb", "trainer_state.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 40_000, bytes(range(256)) * 300, b"step:1 - loss:2\n", b':W&B{"a'])
def test_junk_under_such_a_name_gives_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert not [e for e in parsed(tmp_path) if e["type"] != "fact"]


def _tfrecord(content: bytes) -> bytes:
    header = struct.pack("<Q", len(content))
    checks = [struct.pack("<I", tfrecords._masked(part)) for part in (header, content)]
    return header + checks[0] + content + checks[1]


def _leveldb(contents: list[bytes]) -> bytes:
    """LevelDB's log, by its documentation."""
    out = bytearray(leveldb_log.MAGIC)
    for content in contents:
        begin, rest = True, content
        while begin or rest:
            left = leveldb_log.BLOCK - len(out) % leveldb_log.BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = 1 if begin and not rest else 2 if begin else 3 if rest else 4
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            begin = False
    return bytes(out)
