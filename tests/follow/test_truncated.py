"""Files that are emptied in place, driven read by read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from follow_tail import Tail, append, lines


def test_copytruncate_quiet(path: Path, tail: Tail) -> None:
    append(path, lines(0, 200))
    tail.read()
    path.with_name("train.log.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)
    append(path, lines(200, 10))
    assert tail.read() == lines(200, 10)
    last = tail.blocks[-1]
    assert (last.restarted, last.line, last.offset) == (True, 1, 0)
    assert tail.reader.restarts == 1


@pytest.mark.parametrize("count", [1, 3, 200])
@pytest.mark.parametrize("stopped", [False, True])
def test_copytruncate_regrown_beyond_the_old_offset(path: Path, tail: Tail, count: int, stopped: bool) -> None:
    append(path, lines(0, count))
    tail.read()
    os.truncate(path, 0)
    append(path, lines(5000, 2 * count))
    if stopped:
        tail.kill()
    assert tail.read() == lines(5000, 2 * count)
    assert tail.blocks[-1].restarted
    assert tail.reader.restarts == 1


def test_copytruncate_regrown_to_the_same_size_behind_the_same_banner(path: Path, tail: Tail) -> None:
    banner = b"=" * 3000 + b"\n"
    append(path, banner + lines(100, 20))
    tail.read()
    os.truncate(path, 0)
    append(path, banner + lines(500, 20))
    os.utime(path, (1, 1))
    assert tail.read() == banner + lines(500, 20)


def test_copytruncate_regrown_with_the_same_text_before_the_old_offset(path: Path, tail: Tail) -> None:
    append(path, b"run 1\n" + b"=" * 100 + b"\n")
    tail.read()
    os.truncate(path, 0)
    new = b"run 2\n" + b"=" * 100 + b"\n" + b"step 1\n"
    append(path, new)
    assert tail.read() == new


@pytest.mark.parametrize("second", [b"y" * 30, b"y" * 300, b"x" * 300])
def test_a_long_unfinished_line_written_anew(path: Path, second: bytes) -> None:
    tail = Tail(path, block_size=16, line_limit=250)
    append(path, b"x" * 200)
    assert tail.read() == b""
    os.truncate(path, 0)
    append(path, b"a\n" + second)
    tail.read()
    append(path, b"\n")
    tail.read()
    assert tail.text == b"a\n" + second[:250] + b"\n"


def test_truncation_below_an_unfinished_line(path: Path, tail: Tail) -> None:
    append(path, b"a long unfinished line")
    tail.read()
    os.truncate(path, 0)
    append(path, b"a\nlong\n")
    assert tail.read() == b"a\nlong\n"


@pytest.mark.parametrize("block_size", [1, 7, 1 << 18])
def test_sparse_truncation(path: Path, block_size: int) -> None:
    tail = Tail(path, block_size=block_size)
    with path.open("wb", buffering=0) as writer:  # not O_APPEND
        for round_ in range(3):
            writer.write(lines(round_ * 100, 100))
            assert tail.read() == lines(round_ * 100, 100)
            os.truncate(path, 0)
    assert [block.offset for block in tail.blocks if block.restarted] == [len(lines(0, 100)), len(lines(0, 200))]
    assert all(block.line == 1 for block in tail.blocks if block.restarted)


def test_a_hole_of_many_gigabytes_costs_nothing(path: Path, tail: Tail) -> None:
    hole = 1 << 38
    with path.open("wb", buffering=0) as writer:
        writer.truncate(hole)
        assert tail.read() == b""
        writer.seek(hole)
        writer.write(b"after the hole\n")
    assert tail.read() == b"after the hole\n"
    assert tail.blocks[0].offset == hole
    tail.kill()
    append(path, b"next\n")
    assert tail.read() == b"next\n"
