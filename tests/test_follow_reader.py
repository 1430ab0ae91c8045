"""The situations in which tailers lose or double lines, on real files, driven read by read."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from rli_agent.follow.reader import Block, FileReader, Handles, Position

WHOLE = 1 << 30


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Tail:
    """A reader of one path, what it gave, and the clock it lives by."""

    def __init__(self, path: Path, **options: int | bool) -> None:
        self.path = path
        self.clock = Clock()
        self.handles = Handles()
        self.options = options
        self.blocks: list[Block] = []
        self.reader = self.new_reader(None)

    def new_reader(self, position: Position | None) -> FileReader:
        return FileReader(self.path, position, now=self.clock, handles=self.handles, **self.options)  # type: ignore[arg-type]

    def read(self, budget: int = WHOLE, last: bool = False) -> bytes:
        """What one call gives."""
        got = list(self.reader.read(budget, last=last))
        self.blocks += got
        return b"".join(block.data for block in got)

    def later(self, seconds: float) -> bytes:
        self.clock.time += seconds
        return self.read()

    def kill(self) -> None:
        """The process dies; another one starts from what it had committed."""
        stored = msgspec.msgpack.encode(self.reader.position)
        self.reader.close()
        self.reader = self.new_reader(msgspec.msgpack.decode(stored, type=Position))

    @property
    def text(self) -> bytes:
        return b"".join(block.data for block in self.blocks)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.fixture
def tail(path: Path) -> Tail:
    return Tail(path)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def lines(first: int, count: int) -> bytes:
    return b"".join(b"id=%d end\n" % number for number in range(first, first + count))


# Growing


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


# Rotation by renaming


def rotate(path: Path) -> Path:
    numbers = [number for number in range(1, 50) if path.with_name(f"{path.name}.{number}").exists()]
    for number in reversed(numbers):
        path.with_name(f"{path.name}.{number}").rename(path.with_name(f"{path.name}.{number + 1}"))
    return path.rename(path.with_name(f"{path.name}.1"))


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


# Truncation in place


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


# Deletion, replacement, links


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


# Long lines


def test_a_long_line_keeps_its_start_and_is_counted(path: Path) -> None:
    tail = Tail(path, block_size=64, line_limit=100)
    path.write_bytes(b"a\n" + b"x" * 100 + b"\n" + b"y" * 101 + b"\n" + b"z" * 1000 + b"\nb\n")
    tail.read()
    assert tail.text == b"a\n" + b"x" * 100 + b"\n" + b"y" * 100 + b"\n" + b"z" * 100 + b"\nb\n"
    assert sum(block.cut for block in tail.blocks) == 901
    for block, following in zip(tail.blocks, tail.blocks[1:], strict=False):
        assert following.offset == block.offset + len(block.data) + block.cut
        assert following.line == block.line + block.data.count(b"\n")


@pytest.mark.parametrize("kill", [False, True])
def test_a_long_line_in_pieces(path: Path, kill: bool) -> None:
    tail = Tail(path, block_size=16, line_limit=50)
    append(path, b"a\n")
    for _ in range(30):
        append(path, b"0123456789")
        tail.read(budget=5)
        tail.read(budget=5)
        if kill:
            tail.kill()
    append(path, b"\nb\n")
    while tail.read(budget=10) or tail.reader.more:
        pass
    assert tail.text == b"a\n" + b"0123456789" * 5 + b"\nb\n"
    assert sum(block.cut for block in tail.blocks) == 250


def test_a_long_line_that_never_ends(path: Path) -> None:
    tail = Tail(path, block_size=16, line_limit=50)
    append(path, b"a\n" + b"x" * 1000)
    assert tail.read() == b"a\n"
    assert tail.read(last=True) == b"x" * 50
    assert (tail.blocks[-1].final, tail.blocks[-1].cut, tail.blocks[-1].line) == (True, 950, 2)
    assert tail.reader.lag == 0


def test_20_megabytes_without_a_newline_stay_small(path: Path) -> None:
    program = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from rli_agent.follow.reader import FileReader
        path = Path(sys.argv[1])
        reader = FileReader(path, None)
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with path.open("ab", buffering=0) as file:
            for number in range(20):
                file.write(b"x" * (1 << 20))
                assert not list(reader.read(1 << 30))
            file.write(b"\\n" + b"".join(b"id=%d\\n" % number for number in range(10)))
        blocks = list(reader.read(1 << 30))
        assert [len(blocks[0].data), blocks[0].cut] == [(1 << 20) + 1, 19 << 20], blocks[0].cut
        assert b"".join(block.data for block in blocks[1:]).count(b"\\n") == 10
        assert blocks[1].line == 2
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base, reader.position.line)
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown, line = done.stdout.split()
    assert int(line) == 12
    assert int(grown) < 16 * 1024  # KiB


# What cannot be read


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_then_readable(path: Path, tail: Tail) -> None:
    append(path, b"a\n")
    path.chmod(0)
    assert tail.read() == b""
    assert tail.reader.problem is not None
    assert str(path) in tail.reader.problem
    assert "ermission" in tail.reader.problem
    path.chmod(0o600)
    assert tail.reader.due is not None
    tail.clock.time = tail.reader.due
    assert tail.read() == b"a\n"
    assert tail.reader.problem is None


def test_a_failing_disk_is_tried_again_with_growing_pauses(
    path: Path, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after ESTALE of NFS: the handle is of no use any more, a new one is."""
    append(path, b"a\n")
    tail.read()
    append(path, b"b\n")
    pread, calls = os.pread, 0

    def stale(*_: int) -> bytes:
        nonlocal calls
        calls += 1
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "pread", stale)
    pauses = []
    for _ in range(6):
        assert tail.read() == b""
        assert tail.reader.problem == f"{path}: cannot be read: Stale file handle"
        assert len(tail.handles) == 0
        before = calls
        assert tail.read() == b""
        assert calls == before
        assert tail.reader.due is not None
        pauses.append(tail.reader.due - tail.clock.time)
        tail.clock.time = tail.reader.due
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    monkeypatch.setattr(os, "pread", pread)
    assert tail.read() == b"b\n"
    assert tail.reader.problem is None


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_what_is_no_file(path: Path, tail: Tail, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert tail.read() == b""
    assert tail.reader.problem is not None
    assert "not a regular file" in tail.reader.problem
    path.unlink() if kind == "fifo" else path.rmdir()
    append(path, b"a\n")
    assert tail.later(5) == b"a\n"


def test_a_link_to_itself_then_a_file(path: Path, tail: Tail) -> None:
    path.symlink_to(path)
    assert tail.read() == b""
    assert tail.reader.problem is not None
    assert "symbolic links" in tail.reader.problem
    path.unlink()
    append(path, b"a\n")
    assert tail.later(0.5) == b"a\n"
    assert tail.reader.problem is None


# Handles


def test_idle_files_hold_no_handle_and_cost_one_stat(path: Path, tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    append(path, b"a\n")
    tail.read()
    assert len(tail.handles) == 1
    assert tail.reader.due == tail.clock.time + 10
    assert tail.later(10) == b""
    assert len(tail.handles) == 0
    assert tail.reader.due is None
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *_: pytest.fail("opened an idle file"))
        assert tail.later(1) == b""
    append(path, b"b\n")
    assert tail.later(600) == b"b\n"


def test_never_more_than_64_handles(tmp_path: Path) -> None:
    clock, handles = Clock(), Handles()
    readers = [FileReader(tmp_path / f"{number}.log", None, now=clock, handles=handles) for number in range(100)]
    for turn in range(3):
        for reader in readers:
            append(reader.path, b"turn %d\n" % turn)
            assert [block.data for block in reader.read(WHOLE)] == [b"turn %d\n" % turn]
            assert len(handles) <= 64
    assert len(handles) == 64
    for reader in readers:
        reader.close()
    assert len(handles) == 0


def test_a_file_being_read_keeps_its_handle_while_others_need_one(tmp_path: Path) -> None:
    clock, handles = Clock(), Handles(limit=1)
    first, second = (FileReader(tmp_path / name, None, now=clock, handles=handles, block_size=10) for name in "ab")
    for reader in (first, second):
        reader.path.write_bytes(lines(0, 5))
    taken = b""
    for block in first.read(WHOLE):
        taken += block.data
        list(second.read(WHOLE))
    assert taken == lines(0, 5)
