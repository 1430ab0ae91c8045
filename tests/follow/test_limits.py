"""Long lines, what cannot be read, and few open files, driven read by read."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from follow_tail import WHOLE, Clock, Tail, append, lines

from rli_agent.follow.reader import FileReader, Handles


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
