"""Changes below real directories, by inotify and by polling. All wait for a condition, with a deadline."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rli_agent.follow import queue
from rli_agent.follow import watcher as watching
from rli_agent.follow.watcher import Watcher

pytestmark = pytest.mark.usefixtures("quick")
POLLING = pytest.mark.parametrize("polling", [False, True], ids=["inotify", "polling"])
NewWatcher = Callable[..., Watcher]


@pytest.fixture
def new_watcher() -> Iterator[NewWatcher]:
    made: list[Watcher] = []

    def new(*roots: Path, polling: bool = False) -> Watcher:
        made.append(Watcher(roots, poll_interval=0.05, force_polling=polling))
        if not polling:
            assert made[-1].notes == [], "inotify must work where the tests run"
        return made[-1]

    yield new
    for watcher in made:
        watcher.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    (path / "logs").mkdir(parents=True)
    (path / "logs" / "old.log").write_text("old\n")
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that are seconds apart, in a fraction."""
    monkeypatch.setattr(watching, "CHECK_RECENT", 0.2)
    monkeypatch.setattr(watching, "CHECK_KNOWN", 0.1)
    monkeypatch.setattr(watching, "CHECK_ALL", 0.3)


def until(watcher: Watcher, *wanted: Path, seconds: float = 15.0) -> set[Path]:
    """All that was reported up to the moment when `wanted` was complete."""
    seen: set[Path] = set()
    deadline = time.monotonic() + seconds
    while not set(wanted) <= seen:
        assert time.monotonic() < deadline, f"{set(wanted) - seen} was never reported, but {seen}; {watcher.notes}"
        seen |= watcher.wait(0.2)
    return seen


def append(path: Path, text: str = "x\n") -> None:
    with path.open("a") as file:
        file.write(text)


@POLLING
def test_created_modified_moved_deleted(root: Path, new_watcher: NewWatcher, polling: bool) -> None:
    watcher = new_watcher(root, polling=polling)
    assert watcher.mode == {root: "polling" if polling else "inotify"}
    log, old = root / "logs" / "new.log", root / "logs" / "old.log"
    append(log)
    assert old not in until(watcher, log)
    append(old)
    until(watcher, old)
    old.rename(root / "logs" / "old.log.1")
    until(watcher, old, root / "logs" / "old.log.1")
    log.unlink()
    until(watcher, log)


@POLLING
def test_directories_that_appear_later_are_watched(root: Path, new_watcher: NewWatcher, polling: bool) -> None:
    watcher = new_watcher(root, polling=polling)
    deep = root / "steps" / "step_1" / "env"
    deep.mkdir(parents=True)
    append(deep / "a.jsonl")
    until(watcher, deep / "a.jsonl")
    append(deep / "a.jsonl")
    until(watcher, deep / "a.jsonl")
    append(deep / "b.jsonl")
    until(watcher, deep / "b.jsonl")


@POLLING
def test_a_directory_moved_in_and_one_deleted(
    root: Path, tmp_path: Path, new_watcher: NewWatcher, polling: bool
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    append(other / "a.log")
    watcher = new_watcher(root, polling=polling)
    other.rename(root / "moved")
    until(watcher, root / "moved" / "a.log")
    append(root / "moved" / "a.log")
    until(watcher, root / "moved" / "a.log")
    shutil.rmtree(root / "logs")
    until(watcher, root / "logs" / "old.log")


@pytest.mark.real
@POLLING
def test_what_is_there_already_is_no_news_and_reading_is_none(
    root: Path, new_watcher: NewWatcher, polling: bool
) -> None:
    watcher = new_watcher(root, polling=polling)
    for _ in range(5):
        (root / "logs" / "old.log").read_text()
        assert watcher.wait(0.2) == set()


@POLLING
def test_a_root_that_does_not_exist_yet(tmp_path: Path, new_watcher: NewWatcher, polling: bool) -> None:
    root = tmp_path / "later" / "run"
    watcher = new_watcher(root, polling=polling)
    (root / "logs").mkdir(parents=True)
    append(root / "logs" / "a.log")
    until(watcher, root / "logs" / "a.log")
    append(root / "logs" / "a.log")
    until(watcher, root / "logs" / "a.log")
    assert watcher.mode == {root: "polling" if polling else "inotify"}


@pytest.mark.real
@POLLING
def test_a_root_deleted_and_made_again(root: Path, new_watcher: NewWatcher, polling: bool) -> None:
    watcher = new_watcher(root, polling=polling)
    shutil.rmtree(root)
    (root / "logs").mkdir(parents=True)  # most file systems use the inode's number again
    log = root / "logs" / "new.log"
    append(log)
    until(watcher, root / "logs" / "old.log", log)
    for _ in range(5):
        until_quiet(watcher)
        append(log)
        until(watcher, log)
    assert watcher.mode == {root: "polling" if polling else "inotify"}
    assert watcher.notes == []


@pytest.mark.real
@POLLING
def test_a_file_as_root_reports_only_itself(root: Path, new_watcher: NewWatcher, polling: bool) -> None:
    log = root / "console.log"
    watcher = new_watcher(log, polling=polling)
    append(root / "other.log")
    append(log)
    assert until(watcher, log) == {log}
    log.rename(root / "console.log.1")
    append(log)
    append(root / "other.log")
    assert until(watcher, log) == {log}
    until_quiet(watcher)
    append(log)
    assert until(watcher, log) == {log}


def until_quiet(watcher: Watcher) -> None:
    deadline = time.monotonic() + 15
    while watcher.wait(0.3):
        assert time.monotonic() < deadline


@POLLING
def test_two_files_of_one_directory_as_roots(root: Path, new_watcher: NewWatcher, polling: bool) -> None:
    first, second = root / "a.log", root / "b.log"
    watcher = new_watcher(first, second, polling=polling)
    append(first)
    assert until(watcher, first) == {first}
    append(second)
    until(watcher, second)


@POLLING
def test_a_root_added_while_watching(root: Path, tmp_path: Path, new_watcher: NewWatcher, polling: bool) -> None:
    watcher = new_watcher(root, polling=polling)
    other = tmp_path / "wandb"
    other.mkdir()
    watcher.add(other)
    watcher.add(other)
    append(other / "output.log")
    until(watcher, other / "output.log")
    append(root / "a.log")
    until(watcher, root / "a.log")


@pytest.mark.real
@POLLING
def test_a_root_behind_a_link_keeps_the_name_that_was_given(
    tmp_path: Path, new_watcher: NewWatcher, polling: bool
) -> None:
    for attempt in (1, 2):
        (tmp_path / f"attempt_{attempt}").mkdir()
        append(tmp_path / f"attempt_{attempt}" / "a.log")
    latest = tmp_path / "latest"
    latest.symlink_to("attempt_1")
    watcher = new_watcher(latest, polling=polling)
    append(tmp_path / "attempt_1" / "a.log")
    assert until(watcher, latest / "a.log") == {latest / "a.log"}
    until_quiet(watcher)
    latest.unlink()
    latest.symlink_to("attempt_2")
    until(watcher, latest / "a.log")
    append(tmp_path / "attempt_2" / "a.log")
    until(watcher, latest / "a.log")


@POLLING
def test_a_link_inside_a_root(root: Path, tmp_path: Path, new_watcher: NewWatcher, polling: bool) -> None:
    outside = tmp_path / "outside.log"
    append(outside)
    (root / "link.log").symlink_to(outside)
    (root / "latest").symlink_to("logs")
    watcher = new_watcher(root, polling=polling)
    append(outside)
    until(watcher, root / "link.log")
    (root / "latest").unlink()
    (root / "latest").symlink_to(tmp_path)
    until(watcher, root / "latest")
    append(outside)
    until(watcher, root / "link.log")
    assert watcher.notes == []


def test_wake_and_timeout(root: Path, new_watcher: NewWatcher) -> None:
    watcher = new_watcher(root)
    assert watcher.wait(0.01) == set()
    thread = threading.Timer(0.1, watcher.wake)
    thread.start()
    before = time.monotonic()
    assert watcher.wait(60) == set()
    assert time.monotonic() - before < 30
    thread.join()


def test_a_network_file_system_is_polled_and_that_is_said_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "announces_writes", lambda _: False)
    monkeypatch.setattr(watching, "file_system_type", lambda _: "lustre")
    watcher = Watcher([root])
    try:
        assert watcher.mode == {root: "polling"}
        assert watcher.notes == [f"{root}: inotify cannot be trusted on lustre; checked every 0.25 s instead"]
        append(root / "logs" / "old.log")
        until(watcher, root / "logs" / "old.log")
        assert len(watcher.notes) == 1
    finally:
        watcher.close()


def test_a_file_that_grows_without_events_ends_the_trust(root: Path, tmp_path: Path, new_watcher: NewWatcher) -> None:
    """Written by another name, outside, as another host would: inotify on the directory does not see it."""
    log, elsewhere = root / "logs" / "old.log", tmp_path / "same-file"
    os.link(log, elsewhere)
    watcher = new_watcher(root)
    append(elsewhere)
    until(watcher, log)
    deadline = time.monotonic() + 15
    while watcher.mode[root] == "inotify":
        assert time.monotonic() < deadline
        watcher.wait(0.1)
    assert len(watcher.notes) == 1
    assert str(log) in watcher.notes[0]
    append(elsewhere)
    until(watcher, log)
    append(root / "new.log")
    until(watcher, root / "new.log")
    assert len(watcher.notes) == 1


@pytest.mark.real
def test_a_busy_file_does_not_end_the_trust(root: Path, new_watcher: NewWatcher) -> None:
    watcher = new_watcher(root)
    log = root / "logs" / "busy.log"
    started = time.monotonic()
    while time.monotonic() - started < 2:
        append(log)
        watcher.wait(0.001)
    assert watcher.mode[root] == "inotify"
    assert watcher.notes == []


@pytest.mark.parametrize(
    ("number", "setting"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")]
)
def test_the_limits_of_inotify_are_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, setting: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "inotify limit reached")

    monkeypatch.setattr(queue.Queue, "add_callback", refuse)
    watcher = Watcher([root], poll_interval=0.05)
    try:
        assert watcher.mode == {root: "polling"}
        assert f"fs.inotify.{setting}" in watcher.notes[0]
        assert f"sudo sysctl fs.inotify.{setting}=" in watcher.notes[0]
        append(root / "new.log")
        until(watcher, root / "new.log")
    finally:
        watcher.close()


LIMITED = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from rli_agent.follow.watcher import Watcher
    name, value, root = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    Path("/proc/sys/user", name).write_text(value)
    watcher = Watcher([root], poll_interval=0.05)
    print(watcher.mode[root], watcher.notes)
    (root / "d9" / "new.log").write_text("x")
    deadline = time.monotonic() + 10
    while root / "d9" / "new.log" not in watcher.wait(0.2):
        assert time.monotonic() < deadline
    watcher.close()
    """
)


@pytest.mark.real
@pytest.mark.parametrize(
    ("limit", "value", "setting"),
    [("max_inotify_watches", "5", "max_user_watches"), ("max_inotify_instances", "0", "max_user_instances")],
)
def test_the_real_limits_of_inotify(root: Path, limit: str, value: str, setting: str) -> None:
    """In a user namespace of its own, which may lower the limits for itself."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Ur", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    for number in range(10):
        (root / f"d{number}").mkdir()
    command = ["unshare", "-Ur", sys.executable, "-c", LIMITED, limit, value, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if 'Path("/proc/sys/user", name)' in done.stderr:
        pytest.skip("the limits cannot be changed here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("polling")
    assert f"fs.inotify.{setting} = " in done.stdout


def test_more_events_than_the_kernel_keeps(root: Path, new_watcher: NewWatcher) -> None:
    """Then none of it is taken for all: what was made meanwhile is found, and watched."""
    watcher = new_watcher(root)
    with (root / "a.log").open("ab", buffering=0) as a, (root / "b.log").open("ab", buffering=0) as b:
        for _ in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())):  # alternately: none is joined
            a.write(b"x\n")
            b.write(b"x\n")
    late = root / "late" / "new.log"
    late.parent.mkdir()
    append(late)
    until(watcher, late, root / "logs" / "old.log")
    until_quiet(watcher)
    append(late)
    until(watcher, late)
    assert watcher.mode == {root: "inotify"}
    assert watcher.notes == []


def test_a_directory_renamed_below_a_root(root: Path, new_watcher: NewWatcher) -> None:
    watcher = new_watcher(root)
    (root / "logs").rename(root / "attempt_1")
    log = root / "attempt_1" / "old.log"
    until(watcher, root / "logs", log)
    until_quiet(watcher)
    append(log)
    assert until(watcher, log) == {log}
    (root / "logs").mkdir()
    append(root / "logs" / "old.log")
    until(watcher, root / "logs" / "old.log")


def test_directories_made_in_a_storm(root: Path, new_watcher: NewWatcher) -> None:
    watcher = new_watcher(root)
    wanted = set()
    for number in range(200):
        directory = root / "rollouts" / f"step_{number}"
        directory.mkdir(parents=True)
        append(directory / "train.jsonl")
        wanted.add(directory / "train.jsonl")
    until(watcher, *wanted)
