"""A growing file: the situations in which tailers lose or double lines, driven read by read."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from follow_tail import WHOLE, Tail, append, lines


def test_a_line_in_three_writes_is_given_once_and_whole(path: Path, tail: Tail) -> None:
    append(path, b"first\nsec")
    assert tail.read() == b"first\n"
    append(path, b"on")
    assert tail.read() == b""
    assert tail.reader.lag == 5
    append(path, b"d\n")
    assert tail.read() == b"second\n"
    assert [(block.offset, block.line) for block in tail.blocks] == [(0, 1), (6, 2)]
    assert tail.reader.lag == 0


def test_a_file_that_is_not_there_yet(path: Path, tail: Tail) -> None:
    assert tail.read() == b""
    assert (tail.reader.problem, tail.reader.due, tail.reader.position.inode) == (None, None, 0)
    append(path, b"a\n")
    assert tail.read() == b"a\n"
    assert not tail.blocks[0].restarted


def test_a_first_line_is_read_at_once_however_short(path: Path, tail: Tail) -> None:
    append(path, b"\n")
    assert tail.read() == b"\n"
    assert tail.reader.position.line == 2


TEXT = b"one\n\ntwo is longer\r\nbar 1%\rbar 2%\rdone\n\xff\xfe\x80 junk\nvt\x0b\x0c\x85\n\xe2\x80\xa8\n\0nul\0\nlast"


@pytest.mark.parametrize("block_size", range(1, len(TEXT) + 2))
def test_every_block_size(path: Path, block_size: int) -> None:
    tail = Tail(path, block_size=block_size)
    path.write_bytes(TEXT)
    assert tail.read() == TEXT[: TEXT.rfind(b"\n") + 1]
    assert tail.read() == b""
    assert tail.read(last=True) == b"last"
    assert tail.blocks[-1].final
    for block in tail.blocks:
        assert TEXT[block.offset :].startswith(block.data)
        assert block.line == 1 + TEXT[: block.offset].count(b"\n")
        assert block.data.endswith(b"\n") or block.final


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_split_at_every_byte(path: Path, tail: Tail, cut: int) -> None:
    append(path, TEXT[:cut])
    tail.read()
    tail.kill()
    append(path, TEXT[cut:])
    tail.read()
    tail.read(last=True)
    assert tail.text == TEXT


def test_a_budget_divides_the_work_and_says_that_there_is_more(path: Path) -> None:
    tail = Tail(path, block_size=100)
    path.write_bytes(lines(0, 1000))
    first = tail.read(budget=1000)
    assert 900 < len(first) < 1200
    assert tail.reader.more
    assert tail.reader.lag == path.stat().st_size - len(first)
    while tail.reader.more:
        tail.read(budget=1000)
    assert tail.text == lines(0, 1000)
    assert tail.reader.lag == 0


def test_the_position_goes_with_the_blocks_consumed(path: Path) -> None:
    tail = Tail(path, block_size=100)
    path.write_bytes(lines(0, 100))
    taken = [block.data for block in islice(tail.reader.read(WHOLE), 3)]
    tail.kill()
    assert b"".join(taken) + tail.read() == lines(0, 100)


def test_restart_with_position(path: Path, tail: Tail) -> None:
    append(path, lines(0, 100))
    tail.read()
    tail.reader.close()
    append(path, lines(100, 100))
    tail.kill()
    append(path, lines(200, 100))
    tail.read()
    assert tail.text == lines(0, 300)
    assert [block.line for block in tail.blocks] == [1, 101]
    assert not any(block.restarted for block in tail.blocks)


def test_last_gives_the_unterminated_line_once(path: Path, tail: Tail) -> None:
    append(path, b"a\nkilled he")
    assert tail.read() == b"a\n"
    assert tail.read(last=True) == b"killed he"
    assert tail.read(last=True) == b""
    tail.kill()
    assert tail.read(last=True) == b""


def test_start_at_end_begins_with_the_line_in_progress(path: Path) -> None:
    path.write_bytes(lines(0, 1000) + b"half ")
    tail = Tail(path, start_at_end=True)
    assert tail.read(budget=1) == b""
    assert tail.reader.position.line == 1001
    append(path, b"whole\n")
    assert tail.read() == b"half whole\n"
    assert (tail.blocks[0].line, tail.blocks[0].offset) == (1001, len(lines(0, 1000)))


def test_start_at_end_reads_files_that_appear_later_from_their_start(path: Path) -> None:
    tail = Tail(path, start_at_end=True)
    tail.read()
    append(path, b"a\n")
    assert tail.read() == b"a\n"


def test_start_at_end_does_not_apply_to_a_known_position(path: Path) -> None:
    append(path, b"a\n")
    tail = Tail(path)
    tail.read()
    append(path, b"b\n")
    tail.options = {"start_at_end": True}
    tail.kill()
    assert tail.read() == b"b\n"
