"""Rotation by renaming, driven read by read."""

from __future__ import annotations

from pathlib import Path

import pytest
from follow_tail import WHOLE, Tail, append, lines, rotate


def test_rename_burst(path: Path, tail: Tail) -> None:
    append(path, lines(0, 500))
    tail.read()
    append(path, lines(500, 500))
    rotate(path)
    append(path, lines(1000, 1000))
    assert tail.read() == lines(500, 500)
    assert tail.reader.due == tail.clock.time + 5
    assert tail.later(5) == lines(1000, 1000)
    assert tail.blocks[-1].restarted
    assert (tail.blocks[-1].offset, tail.blocks[-1].line) == (0, 1)
    assert tail.text == lines(0, 2000)
    assert (tail.reader.rotations, tail.reader.restarts) == (1, 0)


def test_rename_and_the_old_file_still_written(path: Path, tail: Tail) -> None:
    with path.open("ab", buffering=0) as writer:
        writer.write(lines(0, 100))
        tail.read()
        rotate(path)
        append(path, lines(300, 10))
        for start in range(100, 300, 50):
            writer.write(lines(start, 50))
            assert tail.later(4) == lines(start, 50)
        assert tail.later(4.9) == b""
        tail.later(0.2)
    assert tail.text == lines(0, 310)


def test_the_new_file_does_not_wait_for_ever(path: Path, tail: Tail) -> None:
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n")
        tail.read()
        rotate(path)
        append(path, b"new\n")
        for _ in range(16):
            assert b"new" not in tail.text
            writer.write(b"old\n")
            tail.later(4)
    assert tail.text.endswith(b"old\nnew\n")


def test_rename_with_a_partial_last_line(path: Path, tail: Tail) -> None:
    append(path, lines(0, 10) + b"Killed")
    tail.read()
    rotate(path)
    append(path, lines(10, 10))
    assert tail.read() == b""
    assert tail.later(5) == b"Killed" + lines(10, 10)
    killed = tail.blocks[1]
    assert (killed.data, killed.final, killed.line, killed.offset) == (b"Killed", True, 11, len(lines(0, 10)))


def test_a_partial_last_line_is_completed_after_the_rename(path: Path, tail: Tail) -> None:
    with path.open("ab", buffering=0) as writer:
        writer.write(b"a\nhalf ")
        tail.read()
        rotate(path)
        append(path, b"new\n")
        tail.later(1)
        writer.write(b"whole\n")
    assert tail.later(1) == b"half whole\n"
    assert tail.later(5) == b"new\n"


def test_several_rotations_between_two_reads(path: Path, tail: Tail) -> None:
    for generation in range(5):
        append(path, lines(generation * 10, 10))
        if generation == 0:
            tail.read()
        append(path, b"rest %d" % generation)
        if generation < 4:
            rotate(path)
    tail.read()
    tail.later(5)
    expected = b"".join(lines(generation * 10, 10) + b"rest %d" % generation for generation in range(4)) + lines(40, 10)
    assert tail.text == expected
    assert tail.read(last=True) == b"rest 4"


def test_rotation_while_stopped(path: Path, tail: Tail) -> None:
    append(path, lines(0, 10))
    tail.read()
    append(path, lines(10, 10) + b"partial")
    rotate(path)
    append(path, lines(20, 10))
    rotate(path)
    append(path, lines(30, 10))
    tail.kill()
    tail.read()
    tail.kill()
    tail.read()
    tail.later(5)
    assert tail.text == lines(0, 20) + b"partial" + lines(20, 20)


@pytest.mark.parametrize(
    "form", ["train.log-202611{:02}", "train.log.2026-11-{:02}", "train.2026-11-{:02}_10-00-00_0.log"]
)
def test_rotations_by_date_while_stopped(path: Path, tail: Tail, form: str) -> None:
    append(path, lines(0, 10))
    tail.read()
    tail.reader.close()
    for day in range(1, 13):
        append(path, lines(10 * day, 10))
        path.rename(path.with_name(form.format(day)))
    append(path, lines(130, 10))
    tail.kill()
    for _ in range(15):
        tail.later(5)
    assert tail.text == lines(0, 140)


def test_killed_right_after_the_final_line_of_the_old_file(path: Path, tail: Tail) -> None:
    append(path, b"a\nb")
    tail.read()
    rotate(path)
    append(path, b"new\n")
    tail.read()
    tail.clock.time += 5
    blocks = tail.reader.read(WHOLE)
    tail.blocks.append(next(blocks))
    tail.kill()
    tail.read()
    tail.later(5)
    assert tail.text == b"a\nbnew\n"


def test_renamed_while_no_handle_was_open(path: Path, tail: Tail) -> None:
    append(path, b"a\n")
    tail.read()
    tail.later(11)
    assert len(tail.handles) == 0
    append(path, b"b\n")
    path.rename(path.with_name("by-date-2026-01-01.log"))
    append(path, b"c\n")
    tail.read()
    tail.later(5)
    assert tail.text == b"a\nb\nc\n"


def test_renamed_away_and_back(path: Path, tail: Tail) -> None:
    append(path, b"a\nhalf")
    tail.read()
    moved = rotate(path)
    assert tail.read() == b""
    assert tail.later(5) == b"half"
    moved.rename(path)
    append(path, b" rest\nb\n")
    assert tail.read() == b" rest\nb\n"
