"""What is new in a file: its path and a position give blocks of whole lines.

The path may come to name another file (rotation, deletion, a link that is pointed elsewhere), and the file may be
emptied under the same name. The file that was followed is read to its end before the next one begins: nothing is lost
while one of them can still be found, and nothing is given twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from rli_agent.follow.cursor import Block, Cursor, Framing, Overwritten
from rli_agent.follow.handles import IDLE, Handles
from rli_agent.follow.rotation import TRIES, find_moved, identity
from rli_agent.follow.succession import Followed, Succession

__all__ = ["Block", "FileReader", "Framing", "Handles", "Position"]

_OPEN_FILES = Handles()


class Position(msgspec.Struct, frozen=True):
    """The first byte of a path's text that was not consumed, and its line's number (from 1).

    `inode` is 0 as long as nothing was ever read. `fingerprint` recognises the text before `offset`.
    """

    device: int
    inode: int
    offset: int
    line: int
    fingerprint: bytes


class FileReader:
    """Follows one path. All times are seconds of the clock `now`.

    `read` must be called when something happened to the path, and at `due`. `position` is to be committed together
    with what came of the blocks given so far: a new reader made from it gives exactly the bytes after them.
    A line longer than `line_limit` bytes loses its end (`Block.cut`). With a `framing` the file is one of records, and
    blocks and positions count these instead of lines. `start_at_end` skips the lines that a file has
    when it is first seen (it is read once, to count them), unless some of it was read. `fixed`: the file that the path
    names first is the one to read, wherever it goes, and none that comes after it under the same name.
    """

    def __init__(
        self,
        path: Path,
        position: Position | None,
        *,
        block_size: int = 1 << 18,
        line_limit: int = 1 << 20,
        start_at_end: bool = False,
        fixed: bool = False,
        framing: Framing | None = None,
        now: Callable[[], float] = time.monotonic,
        handles: Handles = _OPEN_FILES,
    ) -> None:
        self.path = path
        #: Why the last `read` could not read, with the path; None when all is well. It is tried again by itself.
        self.problem: str | None = None
        #: How often the file was found truncated or rewritten, and read again from its start.
        self.restarts = 0
        #: The last `read` ended by its budget: there is more.
        self.more = False
        self._now = now
        self._handles = handles
        self._block_size, self._line_limit, self._framing = block_size, line_limit, framing
        self._failures = 0
        self._retry_at: float | None = None
        self._position = start = position or Position(0, 0, 0, 1, b"")
        first = None
        if start.inode:
            first = Followed(start.device, start.inode, self._cursor(start.offset, start.line, start.fingerprint))
        self._at = Succession(path, handles, self._cursor, first, fixed)
        self._start_at_end = start_at_end and not start.offset

    @property
    def position(self) -> Position:
        return self._position

    @property
    def lag(self) -> int:
        """Bytes behind the position when the files were last looked at, an unterminated last line included."""
        return sum(max(0, file.size - file.cursor.offset) for file in self._at.files if not file.over)

    @property
    def files(self) -> list[tuple[int, int]]:
        """Device and inode of the files that are being read."""
        return [(file.device, file.inode) for file in self._at.files]

    @property
    def finished(self) -> list[Position]:
        """Of the files that the path named before and that were read to their end, the newest last, where that is."""
        return [_position(file) for file in self._at.finished]

    @property
    def mtime(self) -> float:
        """When the file that the path names was last modified, in Unix seconds; 0.0 before it was seen."""
        return self._at.mtime

    @property
    def rotations(self) -> int:
        """How often the path came to name another file."""
        return self._at.rotations

    @property
    def due(self) -> float | None:
        """When `read` must be called although nothing changed: to end a rotated file, try again, close an idle one."""
        if self._retry_at is not None:
            return self._retry_at
        files = self._at.files
        open_now = [file.handle for file in files if file.handle and file.open_fd is not None]
        times = [handle.used + IDLE for handle in open_now if not handle.kept]
        times += [file.quiet_at for file in files[:1] if file.left is not None and not file.over]
        return min(times, default=None)

    def close(self) -> None:
        for file in self._at.files:
            self._at.release(file)

    def read(self, budget: int, *, last: bool = False) -> Iterator[Block]:
        """About `budget` bytes of what is new, at least one line if there is one.

        `last`: the file cannot grow any more, so its unterminated last line is given too, and nothing is waited for.
        What cannot be read is told by `problem`, and tried again with growing pauses (a stale NFS handle by reopening).
        """
        now = self._now()
        self.more = False
        self._handles.close_idle(now)
        if self._retry_at is not None and now < self._retry_at and not last:
            return
        self.problem = self._retry_at = None
        try:
            self._at.look(now)
        except OSError as error:
            self._trouble(error, self._at.files[-1:], now)
            return
        if self._start_at_end:
            for file in self._at.files:
                file.skip_to = file.size
            self._start_at_end = False
        try:
            yield from self._give(max(1, budget), last, now)
        except OSError as error:
            self._trouble(error, self._at.files[:1], now)

    def peek(self, skip: int, most: int) -> bytes:
        """What stands so many bytes behind the position in the file that was read last, whatever the path names by now;
        at most so much. It is not taken. Nothing where that takes a closer look."""
        files = self._at.files
        if len(files) != 1 or files[0].left is not None or files[0].open_fd is None:
            return b""
        try:
            return os.pread(files[0].open_fd, most, files[0].cursor.offset + skip)
        except OSError:
            return b""

    def _cursor(self, offset: int = 0, line: int = 1, fingerprint: bytes = b"") -> Cursor:
        return Cursor(
            offset, line, fingerprint,
            block_size=self._block_size, line_limit=self._line_limit, framing=self._framing,
        )  # fmt: skip

    def _trouble(self, error: OSError, files: list[Followed], now: float) -> None:
        for file in files:
            self._at.release(file)
        self._failures += 1
        self._retry_at = now + min(5.0, 0.25 * 2**self._failures)
        self.problem = f"{self.path}: cannot be read: {error.strerror or error}"

    def _give(self, budget: int, last: bool, now: float) -> Iterator[Block]:
        at = self._at
        while at.files:
            file = at.files[0]
            if not file.over:
                if file.left is None and file.seen == at.change and not last:
                    return
                handle = at.open(file, now)
                if handle is not None:
                    ended = last or (file.left is not None and now >= file.quiet_at)
                    change = at.change
                    handle.kept = file.left is not None
                    self.more = handle.busy = True
                    try:
                        budget = yield from self._blocks(file, handle.fd, budget, ended)
                    finally:
                        handle.busy = False
                    self._handles.touch(handle, now)
                    self.more = not file.cursor.drained
                    if self.more:
                        return
                    if file.left is None:
                        file.seen = change
                        return
                    if not ended:
                        return
                elif file.left is None:
                    return  # it went away this moment: the next look will tell
                elif file.size > file.cursor.offset:
                    lost = file.size - file.cursor.offset
                    self.problem = f"{self.path}: the file before it is gone; its last {lost} bytes are lost"
                at.release(file)
                file.over = True
            if not at.advance():
                return

    def _blocks(self, file: Followed, fd: int, budget: int, ended: bool) -> Generator[Block, None, int]:
        """Returns what is left of the budget."""
        file.cursor.drained = False
        while budget > 0:
            cursor = file.cursor
            try:
                cursor.verify(fd)
                if file.skip_to is not None:
                    if not cursor.skip(fd, file.skip_to, budget):
                        return 0
                    file.skip_to = None
                    self._keep_position(file)
                while budget > 0:
                    block, spent = cursor.next_block(fd, budget, ended)
                    self._failures = 0
                    budget -= max(1, spent)
                    if block is not None:
                        self._keep_position(file)
                        restarted, self._at.turned = self._at.turned, False
                        yield block._replace(restarted=True) if restarted else block
                    if cursor.drained:
                        return budget
            except Overwritten:
                file.cursor = self._cursor()
                self.restarts += 1
                self._at.turned = True
                budget -= 1
        return 0

    def _keep_position(self, file: Followed) -> None:
        self._position = _position(file)


def _position(file: Followed) -> Position:
    at = file.cursor
    return Position(file.device, file.inode, at.offset, at.line, at.fingerprint)


class Read(Protocol):
    """How far a file was read (a Position, or a Checkpoint)."""

    @property
    def device(self) -> int: ...
    @property
    def inode(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def fingerprint(self) -> bytes: ...


def same_text(path: Path, read: Read) -> bool:
    """Whether the file that `read` tells of, which `path` named just now, holds the text that was read of it."""
    for _ in range(TRIES):
        now = find_moved(str(path), read.device, read.inode, str(path))
        if now is None:
            return False
        try:
            fd = os.open(now, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if identity(os.fstat(fd)) == (read.device, read.inode):
                return Cursor(read.offset, 1, read.fingerprint, block_size=1, line_limit=1).matches(fd)
        except OSError:
            return False
        finally:
            os.close(fd)
    return False
