"""Lines that tell nothing may be read later: that changes nothing of what is told, and what does tell is never one."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.discover import Discovery
from rli_agent.events import Event, Samples, Source
from rli_agent.follow import watcher as watching
from rli_agent.follow.watcher import Watcher
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsing import run_files
from rli_agent.rulebook import Rulebook
from rli_agent.samples import __path__ as samples
from rli_agent.track import Track

BOOK = Rulebook()
PLACES = {
    "verl": "verl/train.log", "trl": "trl/train.log", "prime-rl": "prime-rl/logs/trainer.log",
    "openrlhf": "openrlhf/train.log", "slime": "slime/train.log",
}  # fmt: skip
NOISE = [
    'INFO:     10.0.0.1:1234 - "GET /health HTTP/1.1" 200 OK', "plain words", "",
    "Capturing CUDA graphs:  19%|██         | 25/128 [00:05<00:25, 5.5it/s]\rCapturing CUDA graphs:  20%|██  ",
    "  File \"x.py\", line 3, in call", "Traceback (most recent call last):", "ValueError: no", "WARNING: slow",
    "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.",
]  # fmt: skip


def parser(framework: str, state: ParserState | None = None) -> SourceParser:
    others = (name for name, pack in BOOK.packs.items() if pack.kind not in ("framework", "generic"))
    source = Source("train.log", "trainer", packs=(framework, *others))
    return SourceParser(source, BOOK.rules_for(source), dt.timezone.utc, 1767312000.0, state)


def lines_of(framework: str) -> list[str]:
    path = next(Path(samples[0]).glob(PLACES[framework].replace("logs/", "**/")))
    return path.read_text(errors="replace").split("\n")


def pieces(framework: str) -> st.SearchStrategy[list[bytes]]:
    line = st.sampled_from(lines_of(framework)) | st.sampled_from(NOISE)
    return st.lists(
        st.lists(line, min_size=1, max_size=4).map(lambda rows: "".join(f"{row}\n" for row in rows).encode()),
        max_size=12,
    )


@pytest.mark.parametrize("framework", PLACES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_lines_that_are_passed_over_may_be_read_with_those_behind_them(framework: str, data: st.DataObject) -> None:
    at_once, later = parser(framework), parser(framework)
    first: list[Event] = []
    second: list[Event] = []
    left, offset, number, left_at = b"", 0, 1, (0, 1)
    for piece in data.draw(pieces(framework)):
        dull = later.passes_over(piece)
        before = at_once.state.encode()
        told = at_once.feed(piece, offset, number, 1767312000.0)
        if dull:
            assert told == []
            known = ParserState.decode(at_once.state.encode())
            known.capture = ParserState.decode(before).capture  # the file's beginning is looked at in any case
            assert known.encode() == before
        first += told
        left += piece
        offset, number = offset + len(piece), number + piece.count(b"\n")
        if not dull:
            second += later.feed(left, *left_at, 1767312000.0)
            left, left_at = b"", (offset, number)
    second += later.feed(left, *left_at, 1767312000.0)
    assert second + later.flush() == first + at_once.flush()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_bytes(Path(samples[0], "verl", "train.log").read_bytes())
    return path


@pytest.fixture
def track(log: Path) -> Track:
    scan = Discovery([log.parent], BOOK.packs).scan()
    (found,) = [found for found in scan.found if found.path == log]
    track = Track(found, BOOK, run_files(scan), dt.timezone.utc)
    while not track.take(1 << 20, 1767312000.0).ended:
        pass
    track.flush()
    track.live = True
    return track


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


STEP = "(TaskRunner pid=7) step:977 - actor/pg_loss:0.25 - critic/score/mean:0.5 - timing_s/step:2.5\n"


def test_what_tells_nothing_is_left_and_comes_with_what_tells(log: Path, track: Track) -> None:
    assert not track.is_dull(), "nothing is new: that must be looked at"
    for _ in range(3):
        append(log, "plain words\nand others, cut sho")
        assert track.is_dull()
        append(log, "rt\n")
        assert track.is_dull()
    append(log, STEP)
    assert not track.is_dull()
    taken = track.take(1 << 20, 1767312000.0)
    assert [(e.step, e.line) for e in taken.events if isinstance(e, Samples)] == [(977, track.reader.position.line - 1)]
    assert taken.lines == 7
    append(log, "plain words\n")
    assert track.is_dull()


def test_a_wanted_line_that_is_cut_within_its_literal_is_seen(log: Path, track: Track) -> None:
    whole = len(STEP)
    for cut in range(whole):
        append(log, STEP[:cut])
        seen = not track.is_dull() and bool(track.take(1 << 20, 1767312000.0).events)
        append(log, STEP[cut:])
        seen = seen or (not track.is_dull() and bool(track.take(1 << 20, 1767312000.0).events))
        assert seen, STEP[:cut]


def test_what_takes_a_closer_look_is_read_at_once(log: Path, track: Track) -> None:
    append(log, "plain words\n")
    assert track.is_dull()
    log.write_text("emptied\n")
    assert not track.is_dull(), "it is shorter than what was read"
    track.take(1 << 20, 1767312000.0)
    append(log, "plain words\n" * 1000)
    assert not track.is_dull(), "so much is read while it comes"
    track.take(1 << 20, 1767312000.0)
    append(log, "Traceback (most recent call last):\n")
    assert not track.is_dull()
    track.take(1 << 20, 1767312000.0)
    append(log, "plain words\n")
    assert not track.is_dull(), "they may belong to the traceback"
    track.take(1 << 20, 1767312000.0)
    track.flush()
    log.rename(log.with_suffix(".1"))
    log.write_text("plain words\n")
    track.take(1 << 20, 1767312000.0)
    append(log, "plain words\n")
    assert not track.is_dull(), "two files are read one behind the other"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    for name in ("dull.log", "other.log"):
        (tmp_path / "run" / name).write_text("old\n")
    return tmp_path / "run"


@pytest.fixture
def watcher(logs: Path) -> Iterator[Watcher]:
    with closing(Watcher([logs])) as watcher:
        assert watcher.mode == {logs: "inotify"}
        yield watcher


def until(watcher: Watcher, wanted: set[Path], is_dull: Callable[[Path], bool] = lambda _: False) -> set[Path]:
    """All that was reported up to the moment when `wanted` was complete."""
    seen: set[Path] = set()
    deadline = time.monotonic() + 15
    while not wanted <= seen:
        assert time.monotonic() < deadline, f"{wanted - seen} was never reported, but {seen}"
        seen |= watcher.wait(1.0, is_dull)
    return seen


def test_what_is_dull_is_told_a_little_later_and_keeps_nothing_else_waiting(
    logs: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LEAVE", 0.5)
    dull, urgent = logs / "dull.log", logs / "other.log"
    append(dull, "x\n")
    began = time.monotonic()
    append(urgent, "x\n")
    seen = until(watcher, {urgent}, lambda path: path == dull)
    early = time.monotonic() - began < 0.4  # else this machine was busy elsewhere
    assert not (early and dull in seen)
    if dull not in seen:
        until(watcher, {dull}, lambda path: path == dull)
    assert time.monotonic() - began >= 0.5


class Growing:
    """Says of a file that it is dull, and lets it grow each time, so that each look finds the same event; after so many
    times it says what `then` says."""

    def __init__(self, times: int, then: Callable[[], bool]) -> None:
        self.asked, self._times, self._then = 0, times, then

    def __call__(self, path: Path) -> bool:
        self.asked += 1
        append(path, "x\n")
        return self._then() if self.asked == self._times else True


def test_a_dull_file_is_told_of_at_once_when_it_is_no_longer(
    logs: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LEAVE", 3600.0)
    log, is_dull = logs / "dull.log", Growing(60, lambda: False)
    append(log, "x\n")
    assert watcher.wait(60.0, is_dull) == {log}
    assert is_dull.asked == 60
    log.rename(logs / "moved.log")
    until(watcher, {log, logs / "moved.log"})


def test_wake_is_heard_while_a_dull_file_grows(
    logs: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(watching, "LEAVE", 3600.0)

    def wake() -> bool:
        watcher.wake()
        return True

    is_dull = Growing(50, wake)
    append(logs / "dull.log", "x\n")
    assert watcher.wait(60.0, is_dull) == set()
    assert is_dull.asked == 50
