"""The runs that this machine has stores of: <state>/runs/<run id>/run.sqlite."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from rli_agent.store import lookup
from rli_agent.store.connection import WriterLock, read_only
from rli_agent.store.errors import StoreBusy, StoreError
from rli_agent.store.retention import copy_store
from rli_agent.store.rows import file_name
from rli_agent.store.settling import UNSETTLED


class RunInfo(Struct, frozen=True):
    """A store as `rli-agent runs` lists it.

    `bytes` counts all files of the run's directory, `changed` is the last write (Unix seconds), `writing` whether an
    agent has it open now. `root`, `framework`, `last_step` and `life` come from the store; `error` says why they could
    not.
    """

    run: str
    path: Path
    bytes: int
    changed: float
    writing: bool
    root: str | None = None
    framework: str | None = None
    last_step: int | None = None
    life: str | None = None
    error: str | None = None


def run_id(root: Path) -> str:
    """A stable, readable name for the run that writes below `root`: its directory's name and 8 hex digits of the
    SHA-256 of its resolved path."""
    place = Path(os.path.realpath(root))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", place.name).strip("-.")[:48] or "run"
    return f"{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"


def store_path(state_dir: Path, run: str) -> Path:
    """Where the store of a run lies, or will."""
    return state_dir / "runs" / run / "run.sqlite"


def rollouts_read(path: Path) -> dict[str, tuple[int, int]]:
    """Files of rollouts of which the store at `path` holds all that was there: inode and bytes by name."""
    try:
        with closing(read_only(path)) as db:
            rows = db.execute(
                "SELECT file, inode, offset FROM sources WHERE role = 'rollouts' AND offset IS NOT NULL "
                f"AND file NOT IN ({UNSETTLED})"
            )
            return {file_name(key): (inode % 2**64, offset) for key, inode, offset in rows}
    except (StoreError, sqlite3.Error):  # there is none yet, or it will be said when it is opened
        return {}


def files_begun(path: Path) -> frozenset[str]:
    """Files of which the store at `path` holds what was read."""
    try:
        with closing(read_only(path)) as db:
            return frozenset(file_name(key) for (key,) in db.execute("SELECT file FROM sources WHERE offset > 0"))
    except (StoreError, sqlite3.Error):  # there is none yet, or it will be said when it is opened
        return frozenset()


def run_at(state_dir: Path, root: Path) -> str:
    """What the run below `root` is called: as its store says, which may have been named otherwise (`--run-id`)."""
    name = run_id(root)
    if store_path(state_dir, name).exists():
        return name
    place = os.path.realpath(root)
    return next((info.run for info in list_runs(state_dir) if info.root == place), name)


def input_path(state_dir: Path, run: str) -> Path:
    """The directory of what a watch took from standard input."""
    return state_dir / "stdin" / run


def list_runs(state_dir: Path) -> list[RunInfo]:
    """All runs with a store, the one written last first. One that cannot be read is listed with its error."""
    try:
        folders = [e for e in os.scandir(state_dir / "runs") if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{state_dir} cannot be read ({error.strerror}): give --state-dir") from error
    paths = [store_path(state_dir, folder.name) for folder in folders]
    return sorted((_info(path) for path in paths if path.is_file()), key=lambda info: -info.changed)


def copy_run(state_dir: Path, run: str, target: Path) -> None:
    """Copies a run's store, also while it is written, into one new file. Raises StoreError."""
    source = _known(state_dir, run)
    if not target.parent.is_dir():
        raise StoreError(f"{target} cannot be written: there is no directory {target.parent}; make it first")
    copy_store(source, target)


def prune_runs(
    state_dir: Path, keep_days: float | None = None, keep_bytes: int | None = None, dry_run: bool = False
) -> list[str]:
    """Deletes the stores of runs last written more than `keep_days` ago, then the ones written longest ago until all
    together need at most `keep_bytes`. Never one that an agent has open. Returns the ids of the runs deleted, or, with
    `dry_run`, to be deleted."""
    runs = list_runs(state_dir)
    total = sum(info.bytes for info in runs)
    gone = []
    for info in reversed(runs):
        too_old = keep_days is not None and info.changed < time.time() - keep_days * 86400
        too_much = keep_bytes is not None and total > keep_bytes
        if (too_old or too_much) and (not info.writing if dry_run else _delete(info.path)):
            total -= info.bytes
            gone.append(info.run)
    return gone


def _known(state_dir: Path, run: str) -> Path:
    runs = [info.run for info in list_runs(state_dir)]
    if run not in runs:
        known = ", ".join(runs) or "none"
        raise StoreError(f"no store of a run {run} in {state_dir}; there are: {known}")
    return store_path(state_dir, run)


def _info(path: Path) -> RunInfo:
    sizes, changed = 0, 0.0
    for entry in os.scandir(path.parent):
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # a write-ahead log that was folded in meanwhile
            continue
        sizes += found.st_size
        # An empty write-ahead log is what a reader left behind, this listing for one.
        if found.st_size and entry.name in (path.name, f"{path.name}-wal"):
            changed = max(changed, found.st_mtime)
    known = (path.parent.name, path, sizes, changed, is_held(path))
    try:
        with closing(read_only(path)) as db:
            (root,) = db.execute("SELECT root FROM runs").fetchone() or (None,)
            framework = lookup.framework(db)
            (last,) = db.execute("SELECT max(last_step) FROM series").fetchone()
            kept = "SELECT json_extract(value, '$.life'), json_extract(value, '$.step') FROM knowledge WHERE name = ?"
            life, step = db.execute(kept, ("life",)).fetchone() or (None, None)
    except (StoreError, sqlite3.Error) as error:
        return RunInfo(*known, error=str(error))
    return RunInfo(*known, root, framework, last if step is None else step, life)


def _input_of(path: Path, state: Path) -> Path:
    """Where a run's text from standard input is: named after it, or, where it has no other text, it lies there."""
    with closing(read_only(path)) as db:
        (root,) = db.execute("SELECT root FROM runs").fetchone() or ("",)
    alone = Path(root).parent == Path(os.path.realpath(state / "stdin"))
    return Path(root) if alone else input_path(state, path.parent.name)


def is_held(path: Path) -> bool:
    """Whether an agent has the store open to write it."""
    try:
        WriterLock(path, wait=0.0).release()
    except (StoreBusy, OSError):
        return True
    return False


def _delete(path: Path) -> bool:
    try:
        lock = WriterLock(path, wait=0.0)
    except (StoreBusy, OSError):
        return False
    state = path.parent.parent.parent
    try:
        with contextlib.suppress(FileNotFoundError, StoreError, sqlite3.Error):
            shutil.rmtree(_input_of(path, state))
        shutil.rmtree(path.parent)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be deleted: {error.strerror}") from error
    finally:
        lock.release()
    return True
