"""Files that are deleted or replaced, links that are pointed elsewhere, driven read by read."""

from __future__ import annotations

from pathlib import Path

import pytest
from follow_tail import WHOLE, Clock, Tail, append, lines

from rli_agent.follow.reader import FileReader, Handles


def test_delete_and_recreate_at_once(path: Path, tail: Tail) -> None:
    append(path, lines(0, 10) + b"tail")
    tail.read()
    path.unlink()
    append(path, lines(10, 10))
    tail.read()
    tail.later(5)
    assert tail.text == lines(0, 10) + b"tail" + lines(10, 10)
    assert tail.blocks[-1].restarted


def test_delete_and_recreate_after_a_pause(path: Path, tail: Tail) -> None:
    append(path, lines(0, 10) + b"tail")
    tail.read()
    path.unlink()
    assert tail.read() == b""
    assert tail.reader.due == tail.clock.time + 5
    assert tail.later(5) == b"tail"
    assert tail.reader.due is None
    assert len(tail.handles) == 0
    append(path, lines(10, 10))
    assert tail.read() == lines(10, 10)
    assert (tail.blocks[-1].restarted, tail.blocks[-1].line) == (True, 1)


def test_a_deleted_file_is_read_to_its_end(path: Path, tail: Tail) -> None:
    append(path, b"a\n")
    tail.read()
    append(path, b"b\n")
    path.unlink()
    assert tail.read() == b"b\n"
    tail.later(5)
    assert tail.reader.problem is None


def test_what_was_deleted_unread_is_reported(path: Path, tail: Tail) -> None:
    append(path, b"a\n" + b"x" * 100)
    tail.read()
    tail.later(11)
    assert len(tail.handles) == 0
    path.unlink()
    tail.read()
    assert tail.reader.problem is not None
    assert "100 bytes" in tail.reader.problem
    assert str(path) in tail.reader.problem


def test_inode_reuse(path: Path, tail: Tail) -> None:
    append(path, lines(0, 10))
    tail.read()
    tail.later(11)
    inode = path.stat().st_ino
    path.unlink()
    for _ in range(50):  # most file systems hand the number out again at once
        append(path, lines(100, 50))
        if path.stat().st_ino == inode:
            break
        path.rename(path.with_name(f"other-{path.stat().st_ino}"))
    else:
        pytest.skip("this file system does not use a number twice")
    assert tail.read() == lines(100, 50)
    assert tail.blocks[-1].restarted


@pytest.mark.parametrize("stopped", [False, True])
def test_symlink_retarget(tmp_path: Path, stopped: bool) -> None:
    for attempt in (1, 2):
        (tmp_path / f"attempt_{attempt}").mkdir()
        append(tmp_path / f"attempt_{attempt}" / "train.log", lines(attempt * 100, 10))
    latest = tmp_path / "latest"
    latest.symlink_to("attempt_1")
    tail = Tail(latest / "train.log")
    assert tail.read() == lines(100, 10)
    append(tmp_path / "attempt_1" / "train.log", lines(110, 5) + b"Killed")
    latest.unlink()
    latest.symlink_to(tmp_path / "attempt_2")
    if stopped:
        tail.kill()
    tail.read()
    tail.later(5)
    assert tail.text == lines(100, 15) + b"Killed" + lines(200, 10)
    assert tail.blocks[-1].restarted


def test_a_link_that_goes_back_and_forth(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode() + b"1\n")
    link = tmp_path / "log"
    link.symlink_to("a")
    tail = Tail(link)
    tail.read()
    for target in "ba":
        link.unlink()
        link.symlink_to(target)
        tail.later(1)
    append(tmp_path / "a", b"a2\n")
    tail.later(5)
    tail.later(5)
    assert tail.text == b"a1\nb1\na2\n"


def test_a_copy_put_in_place_is_the_same_log(path: Path, tail: Tail) -> None:
    """rsync writes a new file and renames it over the old one."""
    append(path, lines(0, 300))
    tail.read()
    for start in (300, 400):
        copy = path.with_name(".train.log.x1")
        copy.write_bytes(path.read_bytes() + lines(start, 100))
        copy.rename(path)
        assert tail.read() == lines(start, 100)
        tail.kill()
    assert tail.reader.rotations == 0
    assert [block.line for block in tail.blocks] == [1, 301, 401]


def test_two_files_with_the_same_first_kilobytes(tmp_path: Path) -> None:
    banner = b"config: " + b"x" * 3000 + b"\n"
    clock, handles = Clock(), Handles()
    paths = [tmp_path / f"rank{rank}.log" for rank in range(2)]
    for rank, path in enumerate(paths):
        path.write_bytes(banner + lines(rank * 1000, 10))
    readers = [FileReader(path, None, now=clock, handles=handles) for path in paths]
    for rank, reader in enumerate(readers):
        assert b"".join(block.data for block in reader.read(WHOLE)) == banner + lines(rank * 1000, 10)
        again = FileReader(paths[rank], reader.position, now=clock, handles=handles)
        append(paths[rank], lines(rank * 1000 + 10, 5))
        assert b"".join(block.data for block in again.read(WHOLE)) == lines(rank * 1000 + 10, 5)
