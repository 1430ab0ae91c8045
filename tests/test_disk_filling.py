"""A disk that fills is told of before a checkpoint finds no room: how it is judged, and on a real small file system."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, until
from growing_run import write_run
from receivers import HttpReceiver

from rli_agent.alerts.filling import DiskWatch
from rli_agent.alerts.opening import open_alerts
from rli_agent.alerts.pager import Pager
from rli_agent.events import Interval, RunFact, Source
from rli_agent.machine.disk import Use, checkpoint_size, room
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

MB = 1 << 20
TRAINER = Source("logs/trainer.log", "trainer")


# -- how fast it fills


def filled(rate: float, minutes: int, start: float = 100e9) -> Use:
    """Readings of a disk that loses so many bytes a second."""
    use = Use()
    for minute in range(minutes):
        use.add(60.0 * minute, round(start - rate * 60 * minute))
    return use


def test_a_disk_that_fills_steadily_is_full_when_it_has_lost_what_is_left() -> None:
    full = filled(1e6, 60).full_in()
    assert full == pytest.approx((100e9 - 1e6 * 59 * 60) / 1e6, rel=0.02)


def test_nothing_is_said_of_a_short_look_or_of_a_disk_that_does_not_fill() -> None:
    assert filled(1e6, 20).full_in() is None
    assert filled(0.0, 600).full_in() is None
    assert filled(-1e6, 600).full_in() is None


def test_what_was_copied_once_does_not_go_on() -> None:
    use = Use()
    for minute in range(120):
        use.add(60.0 * minute, 900_000_000_000 if minute < 40 else 100_000_000_000)
    assert use.full_in() is None


def test_checkpoints_that_come_now_and_then_count_by_what_they_take_on_the_whole() -> None:
    use = Use()
    free = 500e9
    for minute in range(12 * 60):
        free -= 10e9 if minute % 60 == 30 else 0.0
        use.add(60.0 * minute, round(free))
    full = use.full_in()
    assert full is not None
    assert full / 3600 == pytest.approx((500 - 120) / 10, rel=0.2)


# -- how large a checkpoint is


@pytest.mark.parametrize(
    "name",
    ["global_step_20", "global_step20", "checkpoint-20", "step_20", "iter_0000020", "epoch1epochstep2globalstep20"],
)
def test_the_newest_checkpoint_is_measured(tmp_path: Path, name: str) -> None:
    older, newest = tmp_path / "checkpoints" / "step_1", tmp_path / "checkpoints" / name
    for folder, size in ((older, 10), (newest / "actor", 3000), (newest, 500)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.bin").write_bytes(bytes(size))
    os.utime(older, (1e9, 1e9))
    (newest / "link").symlink_to("/etc/passwd")
    assert checkpoint_size([tmp_path]) == 3500
    assert checkpoint_size([tmp_path / "nowhere"]) is None


# -- on a real file system


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=False)


class Watched:
    """A disk's watch beside a run's store; `pass_time` lets minutes go by."""

    def __init__(self, tmp_path: Path, checkpoints: Path) -> None:
        self.store = RunStore.open(tmp_path / "state" / "run.sqlite", RunRow("r", "/runs/r", 1.0))
        self.pager = Pager(self.store, "r", open_alerts(None, {}), {}, lambda: (), lambda: 1.0, lambda _: None)
        self.root = tmp_path / "run"
        self.root.mkdir(exist_ok=True)
        self.now = 1000.0
        self.give(RunFact(TRAINER.file, 1, 0, 1.0, "logged", "checkpoint_dir", str(checkpoints)))
        self.disks = DiskWatch(self.store, self.pager, "r", self.root)

    def give(self, event: Any) -> None:
        self.pager.prepare([event], TRAINER, self.now)

    def saved(self, folder: Path, step: int, size: int) -> None:
        """A checkpoint is written, as the trainer says."""
        place = folder / f"global_step_{step}"
        place.mkdir(parents=True)
        (place / "model.bin").write_bytes(bytes(size))
        self.give(Interval(TRAINER.file, step, 0, "logged", "trainer", "save_ckpt", step, self.now, self.now + 1, 1.0))

    def pass_time(self, minutes: int = 1) -> list[tuple[str, str, int]]:
        for _ in range(minutes):
            self.now += 60.0
            self.disks.tick(self.now)
        db = read_only(self.store.path)
        try:
            return db.execute("SELECT severity, title, resolved FROM messages WHERE kind = 'disk_filling'").fetchall()
        finally:
            db.close()


@pytest.mark.real
def test_a_checkpoint_that_has_no_room_any_more_is_told_once_and_when_it_has(tmp_path: Path, small: Path) -> None:
    watched = Watched(tmp_path, small / "ckpt")
    watched.saved(small / "ckpt", 10, 80 * MB)
    assert watched.pass_time(3) == []
    watched.saved(small / "ckpt", 20, 100 * MB)
    found = room(small)
    assert found is not None
    assert found.free < 100 * MB
    ((severity, title, resolved),) = watched.pass_time(3)
    assert (severity, resolved) == ("critical", 0)
    assert title.startswith(f"disk filling at {small / 'ckpt'}: ")
    assert "the next checkpoint of about 105 MB does not fit" in title
    watched.store.close()
    again = Watched(tmp_path, small / "ckpt")  # the agent was started again
    assert len(again.pass_time(3)) == 1
    (small / "ckpt" / "global_step_10" / "model.bin").unlink()
    (small / "ckpt" / "global_step_20" / "model.bin").write_bytes(bytes(20 * MB))
    assert [row[2] for row in again.pass_time(3)] == [0, 1]


@pytest.mark.real
def test_a_disk_that_fills_is_told_of_hours_before(tmp_path: Path, small: Path) -> None:
    watched = Watched(tmp_path, small / "ckpt")
    log = small / "trainer.log"
    said: list[tuple[str, str, int]] = []
    minutes = 0
    for _ in range(90):
        minutes += 1
        with log.open("ab") as file:
            file.write(bytes(MB))
        said = watched.pass_time()
        if said:
            break
    ((severity, title, _),) = said
    assert severity == "warning"
    assert "full in about 3 h" in title
    assert 30 <= minutes <= 36


@pytest.mark.real
def test_a_watch_tells_of_a_full_checkpoint_disk(
    tmp_path: Path, small: Path, agents: Callable[..., Agent], receiver: HttpReceiver
) -> None:
    run = tmp_path / "run"
    write_run(run, 3)
    run.joinpath("checkpoints").symlink_to(small)
    (small / "step_2").mkdir()
    (small / "step_2" / "model.bin").write_bytes(bytes(200 * MB))
    agents(
        run, "--listen", "none", env={"RLI_AGENT_WEBHOOK": receiver.url},
    )  # fmt: skip
    until(lambda: any(request.json["kind"] == "disk_filling" for request in receiver.got), "the message", 60.0)
