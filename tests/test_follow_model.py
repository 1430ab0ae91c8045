"""Any order of writes, rotations, truncations, deletions, reads and kills: no line lost, none given twice.

A model keeps what was written. What the reader gave must be exactly that, with the right offsets and line numbers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rli_agent.follow.reader import FileReader, Handles, Position

WHOLE = 1 << 30


class Line(NamedTuple):
    offset: int
    line: int
    data: bytes


class Generation:
    """The text of one file between its creation (or truncation) and its end."""

    def __init__(self, start: int, truncated: Generation | None = None) -> None:
        self.truncated = truncated
        self.size = self.open_at = start
        self.lines: list[Line] = []
        self.open = b""
        self.closed = False
        self.deleted = False

    def write(self, data: bytes) -> None:
        self.size += len(data)
        *whole, rest = (self.open + data).split(b"\n")
        for text in whole:
            self.lines.append(Line(self.open_at, len(self.lines) + 1, text + b"\n"))
            self.open_at += len(text) + 1
        self.open = rest

    def expected(self, ended: bool) -> list[tuple[Line, bool]]:
        """What is to be given, and whether it may be missing."""
        given = [(line, False) for line in self.lines]
        if self.open and (self.closed or ended):
            given.append((Line(self.open_at, len(self.lines) + 1, self.open), self.deleted))
        return given


class FollowedFile(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="follow-"))
        self.path = self.directory / "train.log"
        self.time = 0.0
        self.counter = self.changes = 0
        self.generations: list[Generation] = []
        self.given: list[Line] = []
        self.reached: Generation | None = None
        self.rotated_at = -100.0
        self.handles = Handles()

    @initialize(block_size=st.sampled_from([1, 3, 17, 64, 1 << 18]))
    def start(self, block_size: int) -> None:
        self.block_size = block_size
        self.reader = self.new_reader(None)

    def new_reader(self, position: Position | None) -> FileReader:
        return FileReader(self.path, position, block_size=self.block_size, now=lambda: self.time, handles=self.handles)

    def teardown(self) -> None:
        try:
            if hasattr(self, "reader"):
                self.settle()
                self.take(WHOLE, last=True)
                self.compare(ended=True)
        finally:
            self.reader.close()
            shutil.rmtree(self.directory)

    # The writer

    def text(self, filler: int) -> bytes:
        self.counter += 1
        return b"%d:" % self.counter + b"x" * filler

    def put(self, path: Path, generation: Generation, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            os.pwrite(fd, data, generation.size)
        finally:
            os.close(fd)
        generation.write(data)
        self.touch(path)

    def touch(self, path: Path) -> None:
        """Real time plays no part: each change has a time of its own."""
        self.changes += 1
        os.utime(path, (self.changes, self.changes))

    def current(self) -> Generation:
        if not self.generations or self.generations[-1].closed:
            self.generations.append(Generation(0))
        return self.generations[-1]

    @rule(fillers=st.lists(st.integers(0, 120), min_size=1, max_size=12))
    def write(self, fillers: list[int]) -> None:
        self.put(self.path, self.current(), b"".join(self.text(filler) + b"\n" for filler in fillers))

    @rule(filler=st.integers(0, 120))
    def write_part(self, filler: int) -> None:
        self.put(self.path, self.current(), self.text(filler))

    def alive(self) -> bool:
        return bool(self.generations) and not self.generations[-1].closed and self.path.exists()

    def known(self) -> bool:
        """A file that comes and goes between two reads is found by the one before it, if that still exists."""
        if self.reached is None:
            return False
        since = self.generations[self.generations.index(self.reached) :]
        return not any(generation.deleted for generation in since)

    @rule()
    def rotate(self) -> None:
        if not self.alive() or not self.known():
            return
        numbers = sorted(int(entry.suffix[1:]) for entry in self.directory.glob("train.log.*"))
        for number in reversed(numbers):
            (self.directory / f"train.log.{number}").rename(self.directory / f"train.log.{number + 1}")
        self.path.rename(self.directory / "train.log.1")
        self.generations[-1].closed = True
        self.rotated_at = self.time

    @rule(filler=st.integers(0, 120), end=st.sampled_from([b"", b"\n"]))
    def write_to_the_rotated_file(self, filler: int, end: bytes) -> None:
        if self.time - self.rotated_at >= 5:
            return
        rotated = self.generations[-1] if self.generations[-1].closed else self.generations[-2]
        self.put(self.directory / "train.log.1", rotated, self.text(filler) + end)

    @rule(sparse=st.booleans())
    def truncate(self, sparse: bool) -> None:
        if not self.alive():
            return
        self.settle()
        old = self.generations[-1]
        os.truncate(self.path, 0)
        self.touch(self.path)
        old.closed, old.open = True, b""
        self.generations.append(Generation(old.size if sparse else 0, old))
        self.rotated_at = -100.0

    @rule()
    def delete(self) -> None:
        if not self.alive():
            return
        self.settle()
        self.path.unlink()
        generation: Generation | None = self.generations[-1]
        while generation:
            generation.closed = generation.deleted = True
            generation = generation.truncated
        self.rotated_at = -100.0

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.time += seconds

    # The reader

    def take(self, budget: int, blocks: int | None = None, last: bool = False) -> None:
        for block in islice(self.reader.read(budget, last=last), blocks):
            offset, line = block.offset, block.line
            assert block.cut == 0
            assert block.data
            assert block.final is not block.data.endswith(b"\n")
            for text in block.data.splitlines(keepends=True):
                self.given.append(Line(offset, line, text))
                offset, line = offset + len(text), line + 1
        assert self.reader.problem is None or "lost" in self.reader.problem

    @rule(budget=st.sampled_from([1, 10, 100, 1000, WHOLE]), blocks=st.sampled_from([None, 0, 1, 2]))
    def read(self, budget: int, blocks: int | None) -> None:
        self.take(budget, blocks)
        self.compare(ended=False)

    @rule()
    def kill(self) -> None:
        self.reader.close()
        self.reader = self.new_reader(self.reader.position)

    def settle(self) -> None:
        """Read all that there is, rotated files to their end."""
        for _ in range(2):
            self.take(WHOLE)
            self.time += 5
        self.take(WHOLE)
        self.compare(ended=False)

    def compare(self, ended: bool) -> None:
        expected = iter([(*item, text) for text in self.generations for item in text.expected(ended)])
        for number, line in enumerate(self.given):
            for wanted, optional, generation in expected:
                if wanted == line:
                    self.reached = generation
                    break
                assert optional, f"{number}: {line} was given instead of {wanted}"
            else:
                raise AssertionError(f"{number}: {line} was given though nothing more was written")
        if ended:
            missing = [wanted for wanted, optional, _ in expected if not optional]
            assert not missing


TestFollowedFile = FollowedFile.TestCase
TestFollowedFile.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
