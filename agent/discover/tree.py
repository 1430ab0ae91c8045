"""Which files lie under the given paths: a walk that follows no link and lists again only directories that changed."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator, Set
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from rli_agent.discover.look import UNREADABLE
from rli_agent.events import METRIC_FILES, Reader

#: A directory's listing is trusted once it is so much younger (seconds) than the directory's last change: file systems
#: stamp changes with a coarse clock, so that one made right after a listing could carry the same time.
SETTLED = 2.0
#: Files of a run beyond which a tree is not walked on; a run of 10,000 steps with 16 rollout files each fits.
MAX_FILES = 250_000

SKIPPED_DIRS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "lost+found"})
_KEPT_HIDDEN = frozenset({".hydra", ".rli-agent"})
#: How files of records are called: what the model wrote, a file a step or more.
RECORDS = (".jsonl", ".ndjson")
_CONFIG_DIRS = frozenset({"configs", "config", ".hydra"})
_NO_LOGS = {
    "weights or tensors": "safetensors pt pth bin distcp npz npy ckpt gguf onnx pkl pickle h5 hdf5 model tiktoken",
    "a data set": "parquet arrow feather csv tsv lance",
    "an archive": "gz bz2 xz zst zip tar tgz 7z whl jar",
    "an image or a film": "png jpg jpeg gif svg webp bmp ico pdf mp4 webm mp3 wav ttf woff woff2",
    "a data base": "db sqlite sqlite3 wal shm db-wal db-shm mdb",
    "source code or a document": "py pyc pyi ipynb sh bash sbatch c cc cpp cu cuh h hpp o so a rs go js ts css html "
    "htm md rst tex jinja jinja2 j2 patch diff ini cfg lock pid swp",
    "a page of metrics": "prom",
    "a JSON document": "json",
}
_BY_EXTENSION = {e: why for why, names in _NO_LOGS.items() for e in names.split()}
_BY_NAME = re.compile(
    r"requirements.*\.txt|(?:merges|vocab|added_tokens|special_tokens)\.txt|CMakeLists\.txt|licen[cs]e(?:\..*)?|makefile|dockerfile"
    r"|STABLE|NCCL_READY|latest_check\w*\.txt|latest_ckpt\w*\.txt|.*~",
    re.IGNORECASE,
)
#: TRL's tables of completions; other tables are data sets.
_TABLE = re.compile(r"completions_\d+\.parquet")
#: What `rli_agent.api` writes, unless its user names another file.
_EVENTS = re.compile(r"(?:^|/)\.rli-agent/events-[^/]*\.jsonl$")
#: Of Ray's session logs only the workers', the job drivers' and the raylet's tell of the run.
_RAY_OWN = re.compile(
    r"/session_[^/]*/logs/(?:.*/)?(?:dashboard|gcs_server|log_monitor|monitor|runtime_env|agent-|debug_state|event|python-core"
    r"|java-core|old/|export_events|ray_client)[^/]*$"
)


class Entry(Struct):
    """A regular file as last seen. path is absolute and free of links; config marks a configuration file."""

    path: str
    size: int
    mtime: float
    inode: int
    config: bool = False

    def refresh(self) -> bool:
        """Take size and times again; False where the file is gone."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        self.size, self.mtime, self.inode = found.st_size, found.st_mtime, found.st_ino
        return stat.S_ISREG(found.st_mode)


class _Listing(Struct):
    changed: int
    read_at: float
    files: list[Entry]
    dirs: list[str]
    others: list[str]
    skipped: list[tuple[str, str]]


class Tree:
    """All files under the roots, `without` those of some directories and those `at_rest`. Roots that do not exist yet
    are looked for at every walk."""

    def __init__(self, roots: list[str]) -> None:
        self.roots = roots
        self.without: Set[str] = frozenset()
        self.at_rest: set[str] = set()
        self._listings: dict[str, _Listing] = {}
        self._single: dict[str, Entry] = {}

    def rest(self, paths: Set[str]) -> None:
        """These files are not shown any more."""
        self.at_rest |= paths
        for folder in {os.path.dirname(path) for path in paths}:
            if listing := self._listings.get(folder):
                listing.files = [entry for entry in listing.files if entry.path not in self.at_rest]

    def wake(self, paths: Set[str]) -> None:
        """These files are shown again, if they are there."""
        self.at_rest -= paths
        for folder in {os.path.dirname(path) for path in paths}:
            self._listings.pop(folder, None)

    def walk(self) -> tuple[list[Entry], list[str], list[tuple[str, str]]]:
        """Files that may be read; all other files (by name no log); what was left out, with the reason."""
        files: dict[str, Entry] = {}
        others: list[str] = []
        skipped: list[tuple[str, str]] = []
        seen: set[str] = set()
        for root in self.roots:
            try:
                mode = os.lstat(root).st_mode
            except OSError as e:
                skipped.append((root, "does not exist" if isinstance(e, FileNotFoundError) else _cause(e)))
                continue
            if not stat.S_ISDIR(mode):
                self._one(root, mode, files, skipped)
                continue
            for listing in self._listings_under(root, seen, skipped):
                files.update((e.path, e) for e in listing.files if e.path not in files)
                others += listing.others
                skipped += listing.skipped
                if len(files) + len(others) > MAX_FILES:
                    skipped.append((root, f"more than {MAX_FILES:,} files; name the run's own directory"))
                    break
        self._listings = {d: v for d, v in self._listings.items() if d in seen}
        return list(files.values()), others, skipped

    def _one(self, root: str, mode: int, files: dict[str, Entry], skipped: list[tuple[str, str]]) -> None:
        """A file that was named is read whatever its name says."""
        if not stat.S_ISREG(mode):
            skipped.append((root, f"{_kind(mode)}, not a file"))
            return
        entry = self._single.setdefault(root, Entry(root, 0, 0.0, 0))
        if entry.refresh():
            files.setdefault(root, entry)

    def _listings_under(self, root: str, seen: set[str], skipped: list[tuple[str, str]]) -> Iterator[_Listing]:
        stack = [root]
        while stack:
            here = stack.pop()
            if here in seen or here in self.without:
                continue
            try:
                listing = self._listing(here, root)
            except OSError as e:
                skipped.append((here, _cause(e)))
                continue
            seen.add(here)
            stack += reversed(listing.dirs)
            yield listing

    def _listing(self, here: str, root: str) -> _Listing:
        now = time.time()
        found = os.stat(here, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(20, "is no longer a directory", here)
        known = self._listings.get(here)
        if known and known.changed == found.st_mtime_ns and known.read_at - found.st_mtime > SETTLED:
            return known
        listing = _Listing(found.st_mtime_ns, now, [], [], [], [])
        before = {e.path: e for e in known.files} if known else {}
        with os.scandir(here) as entries:
            items = [entry for entry in entries if entry.path not in self.at_rest]
        items.sort(key=lambda e: e.name, reverse=True)
        while items:  # each is dropped when it was asked: it keeps what stat said, half a kilobyte
            with contextlib.suppress(FileNotFoundError):
                _sort_in(items.pop(), listing, before, root)
        self._listings[here] = listing
        return listing


def _sort_in(item: os.DirEntry[str], listing: _Listing, before: dict[str, Entry], root: str) -> None:
    if item.is_symlink():
        why = _link(item.path, root)
        if why:
            listing.skipped.append((item.path, why))
        return
    if item.is_dir(follow_symlinks=False):
        if item.name in SKIPPED_DIRS or (item.name.startswith(".") and item.name not in _KEPT_HIDDEN):
            listing.skipped.append((item.path, "a cache or a hidden directory"))
        else:
            listing.dirs.append(item.path)
        return
    found = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        listing.skipped.append((item.path, f"{_kind(found.st_mode)}, not a file"))
        return
    config = is_config(item.path)
    why = None if config else not_a_log(item.path)
    if why:
        listing.others.append(item.path)
        listing.skipped.append((item.path, why))
        return
    entry = before.get(item.path) or Entry(item.path, 0, 0.0, 0, config)
    entry.size, entry.mtime, entry.inode = found.st_size, found.st_mtime, found.st_ino
    listing.files.append(entry)


def not_a_log(path: str) -> str | None:
    """Why the name says that a file holds no lines of the run; None where it may."""
    name = os.path.basename(path)
    if name.startswith("."):
        return "a hidden file"
    if "/.rli-agent/" in path and reader_of(path) != "events":
        return "the agent's own"
    if reader_of(path) in (*METRIC_FILES, "table"):
        return None
    if "/wandb/" in path or "/.wandb/" in path:
        return None if name == "output.log" else "W&B's own file"
    if _BY_NAME.fullmatch(name):
        return "by its name no log"
    if "/session_" in path and _RAY_OWN.search(path):
        return "Ray's own log"
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None


@lru_cache(maxsize=8192)
def reader_of(path: str) -> Reader:
    """What a file is made of, by its name."""
    name = os.path.basename(path)
    if ".tfevents." in name:
        return "tensorboard"
    if name == "trainer_state.json":
        return "history"
    if name.endswith(".wandb"):
        return "wandb"
    if _EVENTS.search(path):
        return "events"
    if _TABLE.fullmatch(name):
        return "table"
    return "records" if name.endswith(RECORDS) else "text"


def is_config(path: str) -> bool:
    """TOML and YAML anywhere; JSON in a directory of configurations (model folders are full of other JSON)."""
    if "/wandb/" in path or "/.wandb/" in path or "/.rli-agent/" in path:
        return False
    extension = path.rpartition(".")[2].lower()
    return extension in ("toml", "yaml", "yml") or (
        extension == "json" and not _CONFIG_DIRS.isdisjoint(path.split("/")[-5:-1])
    )


def _link(path: str, root: str) -> str | None:
    """A link into the run leads to what is found under its own path; others are not followed."""
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return "a link that leads nowhere"
    return None if Path(target).is_relative_to(root) else f"a link out of the run, to {target}"


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a directory"))
    return next((name for is_it, name in kinds if is_it(mode)), "a device")


def _cause(e: OSError) -> str:
    return f"{UNREADABLE}: {e.strerror or e}"
