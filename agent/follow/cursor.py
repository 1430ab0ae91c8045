"""How far one file has been read, and the next whole lines of it.

A cursor stands at the first byte of a line. It recognises the text before it by two short hashes, so that a file that
was emptied and has grown beyond the old place again is not taken for the old one. Nothing of the text is kept in
memory: an unterminated last line is read again when it is complete.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from rli_agent.parsers.cutting import newlines

#: Bytes at the start of a file, and before the cursor, that are remembered by their hash.
HEAD = 1024
TAIL = 64
_DIGEST = 8


#: How a file that is not made of lines is cut: (data, at, offset) → (end, count). `data[at:]` is what the file holds
#: from `offset` on; `end` is where the last whole record in it ends, `count` how many there are. An end beyond the data
#: says how much is needed, at least, for the first record.
Framing: TypeAlias = Callable[[bytes, int, int], tuple[int, int]]


class Overwritten(Exception):
    """The file no longer holds what was read from it: it was truncated or rewritten."""


class Block(NamedTuple):
    """Whole lines of a file, or whole records of one with a framing; what follows holds for them likewise.

    `data` ends in `\\n`, except where `final` says that its last line never got one. `offset` and `line` (from 1)
    are those of its first byte. `restarted` marks the first block after the file was truncated, replaced or created
    again: offsets and line numbers begin again. `cut` counts the bytes that were left out of the last line because it
    is too long; `len(data) + cut` is what the block takes up in the file.
    """

    data: bytes
    offset: int
    line: int
    final: bool = False
    restarted: bool = False
    cut: int = 0


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST).digest()


class Cursor:
    """A place in a file: `offset` and `line` of the first byte that was not consumed yet.

    `drained` is true after a `next_block` that met the end of the file.
    """

    def __init__(
        self,
        offset: int = 0,
        line: int = 1,
        fingerprint: bytes = b"",
        *,
        block_size: int,
        line_limit: int,
        framing: Framing | None = None,
    ) -> None:
        self.offset = offset
        self.line = line
        self.drained = False
        self._head, self._tail = fingerprint[:_DIGEST], fingerprint[_DIGEST:]
        self._block_size = min(block_size, line_limit + 1)  # so that no whole line inside a block can be too long
        self._line_limit = line_limit
        self._framing = framing
        self._scanned = offset  # no newline lies between `offset` and here, and `_seam` is the text just before it
        self._seam = b""

    @property
    def fingerprint(self) -> bytes:
        """Recognises the text before the cursor: hashes of the first and the last bytes of it."""
        return self._head + self._tail if self.offset else b""

    def matches(self, fd: int) -> bool:
        """Whether the file holds, up to the cursor, what was read."""
        mark = min(TAIL, self.offset)
        return self._starts_alike(fd) and (not mark or _digest(os.pread(fd, mark, self.offset - mark)) == self._tail)

    def verify(self, fd: int) -> None:
        """Raises Overwritten. The bytes just before the cursor are checked by each read, together with what follows."""
        if not self._starts_alike(fd):
            raise Overwritten

    def _starts_alike(self, fd: int) -> bool:
        return not self.offset or _digest(os.pread(fd, min(HEAD, self.offset), 0)) == self._head

    def next_block(self, fd: int, budget: int, ended: bool) -> tuple[Block | None, int]:
        """The next whole lines and the bytes looked at for them; no lines where the budget or the file ended before.

        `ended`: the file cannot grow, so its unterminated last line is given too. Raises Overwritten and OSError.
        """
        self.drained = False
        if self._framing is not None:
            return self._next_records(fd, self._framing)
        if self._scanned - self.offset >= self._block_size:
            return self._long_line(fd, budget, ended)
        mark = min(TAIL, self.offset)
        # No more than there is: what a short text leaves of a large piece of memory is of little use.
        wanted = mark + min(self._block_size, max(0, os.fstat(fd).st_size - self.offset) + 1)
        buffer = os.pread(fd, wanted, self.offset - mark)
        if mark and _digest(buffer[:mark]) != self._tail:
            raise Overwritten
        if self.line == 1 and buffer.startswith(b"\0", mark):
            if self._pass_nuls(fd):
                return self.next_block(fd, budget, ended)
            self.drained = True
            return None, 0
        end = buffer.rfind(b"\n", mark) + 1
        if end:
            self.drained = end == len(buffer) < wanted
            data = buffer[mark:end]
            return self._advance(fd, data, tail=buffer[max(0, end - TAIL) : end]), len(data)
        self._scanned = self.offset + len(buffer) - mark
        self._seam = buffer[mark:][-TAIL:]
        if len(buffer) < wanted:
            return self._at_end(fd, ended), len(buffer) - mark
        return self._long_line(fd, budget, ended)

    def _next_records(self, fd: int, framing: Framing) -> tuple[Block | None, int]:
        """The next whole records. What is torn at the end of the file is waited for, also when it cannot grow; a record
        longer than the limit is left out."""
        mark = min(TAIL, self.offset)
        size = self._block_size
        while True:
            buffer = os.pread(fd, mark + size, self.offset - mark)
            if mark and _digest(buffer[:mark]) != self._tail:
                raise Overwritten
            end, count = framing(buffer, mark, self.offset)
            if mark < end <= len(buffer):
                self.drained = end == len(buffer) < mark + size
                tail = buffer[max(0, end - TAIL) : end]
                return self._advance(fd, buffer[mark:end], tail=tail, count=count), end - mark
            if end - mark > self._line_limit:
                break
            if len(buffer) < mark + size:
                self.drained = True
                return None, len(buffer) - mark
            size = max(2 * size, end - mark)
        place = self.offset - mark + end
        if os.fstat(fd).st_size < place:
            self.drained = True
            return None, 0
        return self._advance(fd, b"", tail=os.pread(fd, TAIL, place - TAIL), count=1, cut=end - mark), 1

    def _long_line(self, fd: int, budget: int, ended: bool) -> tuple[Block | None, int]:
        """Search on for the end of a line that fills a block, and keep no more of it than `line_limit` bytes."""
        spent = 0
        while spent < budget:
            seam = len(self._seam)
            chunk = os.pread(fd, seam + self._block_size, self._scanned - seam)
            if not chunk.startswith(self._seam):
                self._scanned = self.offset  # the unfinished line was rewritten
                return None, spent + 1
            end = chunk.find(b"\n", seam)
            spent += len(chunk) - seam
            if end >= 0:
                return self._take(fd, self._scanned - seam + end, terminated=True), spent
            self._scanned += len(chunk) - seam
            self._seam = chunk[-TAIL:]
            if len(chunk) < seam + self._block_size:
                return self._at_end(fd, ended), spent
        return None, spent

    def _at_end(self, fd: int, ended: bool) -> Block | None:
        self.drained = True
        return self._take(fd, self._scanned, terminated=False) if ended and self._scanned > self.offset else None

    def _take(self, fd: int, end: int, *, terminated: bool) -> Block | None:
        """One line from the cursor to `end`, which is its newline or the end of the file."""
        kept = min(end - self.offset, self._line_limit)
        mark = min(TAIL, self.offset)
        buffer = os.pread(fd, mark + kept, self.offset - mark)
        if len(buffer) < mark + kept or (mark and _digest(buffer[:mark]) != self._tail):
            raise Overwritten
        data = buffer[mark:]
        if b"\n" in data:
            self._scanned = self.offset
            self.drained = False
            return None
        cut = end - self.offset - kept
        end += terminated
        tail = os.pread(fd, min(TAIL, end), end - min(TAIL, end))
        return self._advance(fd, data + b"\n" if terminated else data, tail=tail, cut=cut, final=not terminated)

    def _advance(
        self, fd: int, data: bytes, *, tail: bytes, cut: int = 0, final: bool = False, count: int | None = None
    ) -> Block:
        block = Block(data, self.offset, self.line, final=final, cut=cut)
        grows = self.offset < HEAD
        self.offset = self._scanned = self.offset + len(data) + cut
        self.line += newlines(data, 0, len(data)) + final if count is None else count
        self._tail = _digest(tail)
        if grows:
            self._head = _digest(os.pread(fd, min(HEAD, self.offset), 0))
        return block

    def _pass_nuls(self, fd: int) -> bool:
        """Move to the first byte that is not NUL, if there is one.

        A file that is truncated under a writer without O_APPEND (`nohup python train.py > log`) starts with a hole up
        to the writer's old place.
        """
        place = self.offset
        try:
            place = os.lseek(fd, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return False
        while chunk := os.pread(fd, max(self._block_size, 1 << 16), place):
            text = chunk.lstrip(b"\0")
            place += len(chunk) - len(text)
            if text:
                self._move(fd, place)
                return True
        return False

    def skip(self, fd: int, until: int, budget: int) -> bool:
        """Go to the last line that begins at or before `until`, counting lines. False: the budget ended before."""
        while self._framing is not None and self.offset < until:
            block, spent = self._next_records(fd, self._framing)
            budget -= max(1, spent)
            if block is None:
                return True
            if budget <= 0:
                return False
        while self._scanned < until:
            if budget <= 0:
                return False
            chunk = os.pread(fd, min(1 << 20, until - self._scanned), self._scanned)
            if not chunk:
                break
            budget -= len(chunk)
            place, end = self._scanned, chunk.rfind(b"\n") + 1
            if end:
                self.line += newlines(chunk, 0, len(chunk))
                self._move(fd, place + end)
            self._scanned = place + len(chunk)
        self._scanned = self.offset
        return True

    def _move(self, fd: int, offset: int) -> None:
        self.offset = self._scanned = offset
        mark = min(TAIL, offset)
        self._head = _digest(os.pread(fd, min(HEAD, offset), 0))
        self._tail = _digest(os.pread(fd, mark, offset - mark))
