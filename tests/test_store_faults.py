from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rli_agent.events import Event, Problem, Samples, Shape
from rli_agent.journal import logger
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import (
    Checkpoint,
    RunRow,
    RunStore,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
)

RUN = RunRow("r-1", "/runs/r", 5.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(path, RUN)
    yield opened
    opened.close()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    said: list[str] = []
    handler = logger.add(lambda message: said.append(str(message)), level="WARNING")
    yield said
    logger.remove(handler)


def batch(first: int, count: int, name: str = "x") -> list[Event]:
    shape = Shape((name,), (None,), (None,))
    return [Samples("a.log", i, i, 1.0, "logged", i, shape, [1.0], "[1.0]") for i in range(first, first + count)]


def done(offset: int) -> Checkpoint:
    return Checkpoint("a.log", 1, 1, offset, offset, b"", b"", 0.0)


def lines(path: Path) -> int:
    with closing(read_only(path)) as db:
        return int(db.execute("SELECT count(*) FROM samples").fetchone()[0])


@pytest.mark.parametrize("harm", ["text", "header", "truncated", "schema"])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(path: Path, warnings: list[str], harm: str) -> None:
    store = RunStore.open(path, RUN)
    store.commit(batch(0, 2000), [done(2000)])
    store.close()
    for number in (1, 2):
        data = bytearray(path.read_bytes()) if number == 1 else bytearray(b"again no database")
        if number == 1:
            if harm == "text":
                data = bytearray(b"this is no database\n" * 100)
            elif harm == "header":
                data[:16] = bytes(16)
            elif harm == "truncated":
                data = data[: len(data) // 3]
            else:
                data[100:4096] = os.urandom(3996)
        path.write_bytes(data)
        fresh = RunStore.open(path, RUN)
        assert fresh.checkpoints() == {}
        fresh.commit(batch(0, 3), [done(3)])
        assert fresh.integrity() == []
        fresh.close()
        assert lines(path) == 3
        aside = path.with_name(f"run.sqlite.damaged-{number}")
        assert aside.read_bytes() == data
        assert str(aside) in warnings[-1]
        assert len(warnings) == number


def test_damage_found_while_writing_sets_the_file_aside(path: Path, store: RunStore) -> None:
    store.commit(batch(0, 5000), [done(5000)])
    store.close()
    data = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'lines_by_source'").fetchone()
    data[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    harmed = RunStore.open(path, RUN)
    with pytest.raises(StoreDamaged, match=r"moved to .*damaged-1"):
        harmed.commit(batch(5000, 10), [done(5010)])
    harmed.close()
    fresh = RunStore.open(path, RUN)
    assert fresh.checkpoints() == {}
    fresh.close()


def test_integrity_tells_what_is_wrong(path: Path, store: RunStore) -> None:
    store.commit(batch(0, 5), [])
    assert store.integrity() == []
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM shapes")
    assert "shapes" in store.integrity()[0]


def test_a_newer_layout_is_refused_and_left_alone(path: Path) -> None:
    RunStore.open(path, RUN).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer rli-agent \(layout 99.*upgrade"):
        RunStore.open(path, RUN)
    with closing(read_only(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
        assert db.execute("SELECT run FROM runs").fetchall() == [("r-1",)]


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        RunStore.open(path, RUN)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="give --state-dir"):
        RunStore.open(tmp_path / "file" / "run.sqlite", RUN)


@pytest.mark.real
def test_a_second_writer_is_refused_until_the_first_is_gone(path: Path, store: RunStore) -> None:
    with pytest.raises(StoreBusy, match=rf"process {os.getpid()}\)"):
        RunStore.open(path, RUN)
    store.close()
    RunStore.open(path, RUN).close()


def test_a_commit_waits_for_a_locked_database(path: Path, store: RunStore) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        release.start()
        store.commit(batch(0, 3), [done(3)])
        release.join()
    assert lines(path) == 3


def test_a_database_locked_for_too_long_is_an_error_and_the_store_goes_on(path: Path, store: RunStore) -> None:
    store._db.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked by another process"):
            store.commit(batch(0, 3), [done(3)])
        other.execute("COMMIT")
    store.commit(batch(0, 3), [done(3)])
    assert lines(path) == 3


def test_a_full_store_keeps_nothing_of_the_batch_and_goes_on_once_there_is_room(path: Path, store: RunStore) -> None:
    store.commit(batch(0, 10), [done(10)])
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreFull, match="no room"):
        store.commit(batch(10, 5000, name="y"), [done(5010)])
    assert lines(path) == 10
    assert store.checkpoints()["a.log"].offset == 10
    store._db.execute("PRAGMA max_page_count = 1000000")
    store.commit(batch(10, 5000, name="y"), [done(5010)])  # the shape's id of the failed attempt is not used again
    assert lines(path) == 5010
    assert store.integrity() == []


FULL_DISK = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store_faults import RUN, RunStore, StoreFull, batch, done, lines
folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(1_500_000))
store = RunStore.open(folder / "run.sqlite", RUN)
read, full = 0, 0
while read < 40_000:
    try:
        store.commit(batch(read, 500), [done(read + 500)])
    except StoreFull:
        full += 1
        assert full < 3, "no progress after room was made"
        assert lines(store.path) == read == store.checkpoints()["a.log"].offset
        ballast.unlink()
    else:
        read += 500
        if full:
            break
sound = store.integrity()
store.close()
print(json.dumps([full, read, lines(store.path), sound]))
"""


def test_a_disk_that_is_full_and_has_room_again(tmp_path: Path) -> None:
    """On a real file system of 3 MB, in a mount namespace of its own."""
    mount = 'mount -t tmpfs -o size=3m tmpfs "$1"'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    try:
        allowed = subprocess.run([*inside, mount, "sh", str(tmp_path)], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare(1)")
    if allowed.returncode:
        pytest.skip("this user may not mount")
    program = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent)]
    command = [*inside, mount + ' && shift && exec "$@"', "sh", str(tmp_path), *program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    full, read, stored, sound = json.loads(ran.stdout)
    assert (full, sound) == (1, [])
    assert read == stored > 500


def test_a_failed_part_is_never_kept_even_if_its_error_was_caught(path: Path, store: RunStore) -> None:
    class Surprise(Exception):
        pass

    def events() -> Iterator[Event]:
        yield from batch(0, 3)
        raise Surprise

    def careless() -> None:
        with store.transaction():
            store.commit([Problem("a.log", 1, 0, 1.0, "logged", "ERROR", "other", "m")], [])
            with pytest.raises(Surprise):
                store.commit(events(), [done(3)])  # type: ignore[arg-type]

    with pytest.raises(StoreError, match="none of it was kept"):
        careless()
    with closing(read_only(path)) as db:
        assert db.execute("SELECT (SELECT count(*) FROM problems) + (SELECT count(*) FROM lines)").fetchone() == (0,)
    store.commit(batch(0, 3), [done(3)])
    assert lines(path) == 3
