"""Playing a sample: the same bytes in the order of their times, live or as they were."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from rli_agent.errors import UserError
from rli_agent.player import Playback

SAMPLES = Path(__file__).parents[1] / "samples"
FRAMEWORKS = ("prime-rl", "verl")
AT_ONCE = 1e6
EPOCH = re.compile(rb"\b1[5-9]\d{8}\.\d+")
CLOCK = re.compile(rb"(?:\d{4}-)?(?:\d\d-?\d\d )?\d\d:\d\d:\d\d(?:[.,]\d+)?")


def files(root: Path) -> dict[str, bytes]:
    """What a directory holds, without what links show a second time."""
    walk = ((Path(folder), names) for folder, _, names in os.walk(root))
    paths = (folder / name for folder, names in walk for name in names)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in paths}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_played_is_the_sample(framework: str, tmp_path: Path) -> None:
    assert Playback(SAMPLES / framework).play(tmp_path, AT_ONCE, rewrite=False)
    expected = files(SAMPLES / framework)
    expected.pop("links.json", None)
    assert files(tmp_path) == expected


def test_links_of_the_real_layout_are_made(tmp_path: Path) -> None:
    Playback(SAMPLES / "prime-rl").play(tmp_path, AT_ONCE)
    (link,) = (p for p in tmp_path.rglob("*") if p.is_symlink())
    assert (link.name, os.readlink(link)) == ("latest", "attempt_1")
    assert (link / "trainer.log").is_file()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_replay_changes_stamps_and_nothing_else(framework: str, tmp_path: Path) -> None:
    Playback(SAMPLES / framework).play(tmp_path, AT_ONCE)
    for name, content in files(tmp_path).items():
        before = (SAMPLES / framework / name).read_bytes()
        stamp = EPOCH if name.endswith(".jsonl") else CLOCK
        assert stamp.sub(b"T", content) == stamp.sub(b"T", before), name
        assert content != before or not stamp.search(before)


@pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Tokyo", 9)])
def test_stamps_tell_the_time_of_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, offset: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        before = time.time()
        Playback(SAMPLES / "prime-rl").play(tmp_path, AT_ONCE)
        after = time.time()
    time.tzset()
    (metrics,) = tmp_path.rglob("metrics.jsonl")
    times = [json.loads(line)["time"] for line in metrics.read_text().splitlines()]
    assert times == sorted(times)
    assert before - 0.001 <= times[0] <= times[-1] <= after + 0.001
    (log,) = tmp_path.glob("outputs/*/logs/attempt_1/trainer.log")
    clocks = set(re.findall(r"\x1b\[2m(\d\d:\d\d:\d\d)\x1b", log.read_text()))
    whole = range(int(before), int(after) + 1)
    assert clocks
    assert clocks <= {time.strftime("%H:%M:%S", time.gmtime(t + 3600 * offset)) for t in whole}


@pytest.mark.real
def test_it_takes_its_time_and_writes_in_the_order_of_the_run(tmp_path: Path) -> None:
    """Seen by when files grew last: the environment's log, then the trainer's, then the orchestrator's."""
    playback = Playback(SAMPLES / "prime-rl")
    speed = playback.seconds / 0.5
    began = time.monotonic()
    playback.play(tmp_path, speed)
    assert time.monotonic() - began >= 0.5
    changed = {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.log")}
    assert changed["reverse-text.log"] < changed["trainer.log"] < changed["orchestrator.log"]
    (run,) = tmp_path.glob("outputs/*")
    grown = [(run / f"rollouts/step_{n}/train/effective/traces.jsonl").stat().st_mtime_ns for n in range(1, 13)]
    assert grown == sorted(grown)


@pytest.mark.real
def test_some_lines_come_in_two_halves(tmp_path: Path) -> None:
    """Between two writes a file ends within a line, now and then."""
    torn = 0
    playback = Playback(SAMPLES / "verl")
    over = threading.Event()

    def look() -> None:
        nonlocal torn
        while not over.is_set():
            for path in tmp_path.rglob("*.log"):
                torn += not path.read_bytes().endswith(b"\n")

    watcher = threading.Thread(target=look)
    watcher.start()
    playback.play(tmp_path, playback.seconds / 0.5)
    over.set()
    watcher.join()
    assert torn > 0


def test_it_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert not Playback(SAMPLES / "verl").play(tmp_path, 0.001, stop=stop)


def test_a_directory_without_logs_cannot_be_played(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match="holds no log"):
        Playback(tmp_path)


def test_lines_without_a_time_lie_between_those_that_have_one(tmp_path: Path) -> None:
    """Ten seconds between the first line and the third: the second is written after five."""
    sample, target = tmp_path / "sample", tmp_path / "target"
    sample.mkdir()
    log = "2026-08-25 06:30:00,000 one\ntwo\n2026-08-25 06:30:10,000 three\n"
    (sample / "a.log").write_text(log)
    (sample / "b.jsonl").write_text('{"time": 1787639404.0}\n{"time": 1787639406.0}\n')
    Playback(sample).play(target, AT_ONCE, rewrite=False)
    assert Playback(sample).seconds == 10.0
    order = [line.text.split()[-1] for line in Playback(sample)._lines]
    assert order == ["one", "1787639404.0}", "two", "1787639406.0}", "three"]
