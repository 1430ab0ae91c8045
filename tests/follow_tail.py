"""One path, driven read by read, with a clock of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec

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


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def lines(first: int, count: int) -> bytes:
    return b"".join(b"id=%d end\n" % number for number in range(first, first + count))


def rotate(path: Path) -> Path:
    numbers = [number for number in range(1, 50) if path.with_name(f"{path.name}.{number}").exists()]
    for number in reversed(numbers):
        path.with_name(f"{path.name}.{number}").rename(path.with_name(f"{path.name}.{number + 1}"))
    return path.rename(path.with_name(f"{path.name}.1"))
