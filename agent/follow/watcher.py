"""Which paths below some roots changed: by inotify where it can be trusted, else by looking.

inotify sees the writes of this host only. On a network file system it stays silent without an error, so the type of
the file system decides first, and then the evidence: a root whose files grow without an event is looked at from then
on. In both ways everything is looked at now and then, because events can be lost.
"""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Literal, TypeAlias

from rli_agent.follow.filesystems import announces_writes, file_system_type
from rli_agent.follow.inotify import Inotify, Overflow
from rli_agent.follow.limits import reason
from rli_agent.follow.tree import Tree

Mode: TypeAlias = Literal["inotify", "polling"]
_Identity: TypeAlias = tuple[Literal["directory", "file"], int, int]

#: Seconds between looks at the files being written, with inotify; growth without an event for so long is evidence.
CHECK_RECENT = 2.0
#: Seconds between looks at all known files, without inotify.
CHECK_KNOWN = 1.0
#: Seconds between walks through everything.
CHECK_ALL = 10.0
#: Events are taken at most so often, in seconds: a trainer may write thousands of lines a second, and the kernel joins
#: what nobody reads. Half as often where so many times in a row some came right after that, within so many seconds.
SETTLE, SETTLE_LONG = 0.02, 0.045
MANY, AT_ONCE = 25, 0.01
#: Seconds for which it is left untold that a file grew by what is dull.
LEAVE = 2.0


class _Root:
    """One root: how it is watched, and what is known from events and from looking."""

    def __init__(self, given: Path) -> None:
        self.given = given
        self.mode: Mode = "polling"
        self.identity: _Identity | None = None
        self.tree = Tree(str(given))
        self.told: set[str] = set()  # what events announced since the last look
        self.silent: dict[str, float] = {}  # files that grew without an event, and since when
        self.next_recent = self.next_known = self.next_all = 0.0
        #: What was found, as the user named it: the tree may lie behind a symbolic link.
        self.path = lru_cache(1024)(self._path)

    def concerns(self, path: str) -> bool:
        """Whether an event's path is the root's: of a file's directory all events come."""
        return path == self.tree.root or (self.identity is not None and self.identity[0] == "directory")

    def _path(self, found: str) -> Path:
        rest = found[len(self.tree.root) :].lstrip("/")
        return self.given / rest if rest else self.given

    @property
    def next_look(self) -> float:
        soonest = min(self.next_recent, self.next_all)
        return soonest if self.mode == "inotify" else min(soonest, self.next_known)


class Watcher:
    """Tells what changed below `roots`, which are directories or files and need not exist yet.

    `wait`, `add` and `close` belong to one thread; `wake` may be called by any. `notes` collects what the user should
    know, each once. A symbolic link to a directory is not entered: what lies behind it needs a root of its own.
    """

    def __init__(self, roots: Sequence[Path], poll_interval: float = 0.25, force_polling: bool = False) -> None:
        self.notes: list[str] = []
        self._poll_interval = poll_interval
        self._force_polling = force_polling
        ends = os.pipe()  # from `wake` to `wait`
        for end in ends:
            os.set_blocking(end, False)
        self._woken, self._bell = FileIO(ends[0], "r"), FileIO(ends[1], "w")
        self._inotify: Inotify[_Root] = Inotify(beside=ends[0])
        self._rung = False
        self._next_look = 0.0
        self._taken = 0.0  # when events came last
        self._in_a_row = 0  # times when they came right after the pause
        self._dull: dict[Path, float] = {}  # files of which it is not told yet that they grew, and since when
        self._roots: dict[Path, _Root] = {}
        for root in roots:
            self.add(root)

    @property
    def mode(self) -> dict[Path, Mode]:
        """How each root is watched."""
        return {path: root.mode for path, root in self._roots.items()}

    def add(self, path: Path) -> None:
        """Watch another root. What it holds already is not reported."""
        if path not in self._roots:
            self._next_look = 0.0
            self._roots[path] = root = _Root(path)
            self._establish(root, time.monotonic())

    def watch(self, roots: Set[Path]) -> None:
        """Watch these roots and no others."""
        for path in self._roots.keys() - roots:
            self._inotify.unwatch(self._roots.pop(path))
        for path in sorted(roots - self._roots.keys()):
            self.add(path)

    def wait(self, timeout: float, is_dull: Callable[[Path], bool] = lambda _: False) -> set[Path]:
        """What was created, modified, deleted or moved since the last call, files and directories.

        Returns as soon as there is something, after `timeout` seconds, or after `wake`. A link that was pointed
        elsewhere is reported by its own name: everything that is reached through it may have changed. is_dull: asked of
        each file that an event tells of, whether that need not be told yet; it is within LEAVE seconds.
        """
        deadline = time.monotonic() + timeout
        found: set[Path] = set()
        while True:
            settle = SETTLE if self._in_a_row < MANY else SETTLE_LONG
            pause = self._taken + settle - time.monotonic()
            if 0 < pause < deadline - time.monotonic():
                time.sleep(pause)
            told = self._take_events(settle)  # before looking: what an event tells is no evidence against inotify
            now = time.monotonic()
            for path in told:
                if is_dull(path):
                    since = self._dull.setdefault(path, now)
                    self._next_look = min(self._next_look, since + LEAVE)
                else:
                    self._dull.pop(path, None)
                    found.add(path)
            if now >= self._next_look:
                found |= self._look_at_roots(now)
            if found or now >= deadline:
                return found
            # what comes all the time is not waited for: the pause is enough
            if (self._rung or not told) and self._is_woken(min(deadline, self._next_look) - now):
                return found

    def wake(self) -> None:
        """Make `wait` return now, or at once when it is called next."""
        self._rung = True
        with suppress(ValueError):  # it is closed
            self._bell.write(b"!")

    def close(self) -> None:
        self._inotify.close()
        self._woken.close()
        self._bell.close()

    def _is_woken(self, timeout: float) -> bool:
        """Wait for `wake` or an event; whether it was `wake`."""
        waits = timeout > 0.0 and not self._rung
        if waits:
            self._inotify.wait(timeout)
        rung, self._rung = self._rung, False  # before the bell is emptied: what is rung now is heard twice, at worst
        return bool((rung or waits) and self._woken.read(4096)) or rung

    def _take_events(self, settle: float) -> set[Path]:
        now = time.monotonic()
        found: set[Path] = set()
        news: list[tuple[_Root, str]] = []
        try:
            news = self._inotify.read()
            for root, path in news:
                if root.concerns(path):
                    found.add(root.path(path))
                    root.told.add(path)
                    root.silent.pop(path, None)
                    root.tree.recent[path] = now
                    if path == root.tree.root:
                        self._root_changed(root, now)
        except Overflow:
            for root in self._roots.values():
                if root.mode == "inotify":
                    found |= self._establish(root, now)
            self._next_look = 0.0
        if news:
            before, self._taken = self._taken, now
            self._in_a_row = self._in_a_row + 1 if now - before < settle + AT_ONCE else 0
        return found

    def _root_changed(self, root: _Root, now: float) -> None:
        if root.identity is not None and root.identity[0] == "directory":
            root.identity = None  # it was deleted; one made at once may have the same inode, but no watch
        if _identity(root.given) != root.identity:
            root.next_all = self._next_look = now

    # Looking

    def _look_at_roots(self, now: float) -> set[Path]:
        """Do what is due at a certain time."""
        found: set[Path] = set()
        for root in self._roots.values():
            if now >= root.next_look:
                found |= self._look(root, now)
        left = [path for path, since in self._dull.items() if now - since >= LEAVE]
        for path in left:
            del self._dull[path]
        looks = [root.next_look for root in self._roots.values()]
        self._next_look = min([*looks, *(since + LEAVE for since in self._dull.values())], default=math.inf)
        return found.union(left)

    def _look(self, root: _Root, now: float) -> set[Path]:
        """Do what is due. With inotify only what no event told is returned."""
        tree, inotify = root.tree, root.mode == "inotify"
        everything = now >= root.next_all
        known = everything or (not inotify and now >= root.next_known)
        if known and _identity(root.given) != root.identity:
            return self._establish(root, now)
        started, used = time.monotonic(), time.thread_time()
        if everything:
            changed = tree.sweep(now)
        elif known:
            changed = tree.look_at_all(now)
        else:
            changed = tree.look([*tree.being_written(now), *(tree.links if inotify else ())], now)
        # At most 1 % of a core, and a quarter of the time where each stat asks a server; 0.05 % where events tell.
        rest = max((2000 if inotify else 100) * (time.thread_time() - used), 4 * (time.monotonic() - started))
        recent = CHECK_RECENT if known else max(CHECK_RECENT, rest)
        root.next_recent = now + (recent if inotify else self._poll_interval)
        if known:
            root.next_known = now + max(CHECK_KNOWN, self._poll_interval, rest)
        if everything:
            root.next_all = now + max(CHECK_ALL, rest)
        if inotify:
            changed -= root.told
            self._weigh_evidence(root, now)
        tree.grown.clear()
        root.told.clear()
        return {root.path(path) for path in changed}

    def _weigh_evidence(self, root: _Root, now: float) -> None:
        for path in root.tree.grown - root.told:
            root.silent.setdefault(path, now)
        for path, since in root.silent.items():
            if now - since >= 0.9 * CHECK_RECENT:
                limit = self._inotify.limit(root)
                why = reason(limit) if limit else "another host writes it, or events were lost"
                self._poll(root, f"{root.path(path)}: it grew and inotify did not tell ({why})")
                return

    # Setting up

    def _establish(self, root: _Root, now: float) -> set[Path]:
        """Begin to watch what the root's path names now. Returns all that was and is there."""
        found = {root.path(path) for path in root.tree.paths()}
        self._inotify.unwatch(root)
        root.told, root.silent, root.mode = set(), {}, "polling"
        root.identity = _identity(root.given)
        base = os.path.realpath(root.given.parent)
        is_directory = root.identity is not None and root.identity[0] == "directory"
        root.tree = Tree(os.path.realpath(root.given) if is_directory else os.path.join(base, root.given.name))
        root.path.cache_clear()
        if root.identity and not self._force_polling and (is_directory or not root.given.is_symlink()):
            watched = root.tree.root if is_directory else base
            if announces_writes(Path(watched)):
                try:
                    self._inotify.watch(root, watched, recursive=is_directory)
                    root.mode = "inotify"
                except OSError as error:
                    self._poll(root, f"{root.given}: {reason(error)}")
            else:
                self._poll(root, f"{root.given}: inotify cannot be trusted on {file_system_type(Path(watched))}")
        root.tree.sweep(now)
        root.next_recent = now + self._poll_interval
        root.next_known = now + max(CHECK_KNOWN, self._poll_interval)
        root.next_all = now + CHECK_ALL
        return found | {root.path(path) for path in root.tree.paths()}

    def _poll(self, root: _Root, why: str) -> None:
        """Look at the root from now on, and say why."""
        self._inotify.unwatch(root)
        root.mode = "polling"
        note = f"{why}; checked every {self._poll_interval:g} s instead"
        if note not in self.notes:
            self.notes.append(note)


def _identity(path: Path) -> _Identity | None:
    """What a root is: a directory, or a name in a directory that exists. None where there is nothing to watch yet."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return ("directory", status.st_dev, status.st_ino)
    except OSError:
        pass
    try:
        status = os.stat(path.parent)
    except OSError:
        return None
    return ("file", status.st_dev, status.st_ino)
