"""What lies under a root, found by looking: the way that works on every file system.

A look costs one stat a file. How often that is done is the watcher's business.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator

#: Seconds after its last change for which a file counts as being written.
RECENT = 60.0
#: A directory that changed less than so many seconds ago is listed again: file systems keep whole seconds, or ticks.
_COARSE = 2.0


class Tree:
    """The files below `root` (which may be a file itself) as they were when last looked at.

    Symbolic links to files are looked at where they lead; those to directories are not entered, and count as changed
    when they are pointed elsewhere.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.links: set[str] = set()
        #: When a file changed last, on the caller's clock.
        self.recent: dict[str, float] = {}
        #: Files (not links) that were known and are longer now; for the caller to clear.
        self.grown: set[str] = set()
        self._marks: dict[str, tuple[int, int, int]] = {}  # size, change time, inode
        self._directories: dict[str, int] = {}

    def paths(self) -> list[str]:
        """The files known."""
        return list(self._marks)

    def sweep(self, now: float) -> set[str]:
        """Look at everything, and list all directories. Returns what was created, changed or deleted."""
        gone = set(self._marks)
        self._directories.clear()
        changed = set()
        for path, status in self._walk(self.root):
            gone.discard(path)
            if self._note(path, status, now):
                changed.add(path)
        for path in gone:
            self._forget(path)
        return changed | gone

    def look_at_all(self, now: float) -> set[str]:
        """Look at all known files, and list the directories that changed."""
        if self.root not in self._directories:  # a file, or nothing yet
            return self.sweep(now)
        changed = self.look(list(self._marks), now)
        for directory, known in list(self._directories.items()):
            try:
                mark = os.stat(directory).st_mtime_ns
            except OSError:
                self._directories.pop(directory, None)
                continue
            if mark != known or time.time() - mark / 1e9 < _COARSE:
                changed.update(
                    path
                    for path, status in self._walk(directory, known=self._directories)
                    if self._note(path, status, now)
                )
        return changed

    def look(self, paths: Iterable[str], now: float) -> set[str]:
        """Look at these files only."""
        changed = set()
        for path in paths:
            try:
                status = os.stat(path)
            except OSError:
                if path in self._marks:
                    self._forget(path)
                    changed.add(path)
                self.recent.pop(path, None)
                continue
            if stat.S_ISDIR(status.st_mode) and path not in self._marks:
                self.recent.pop(path, None)
            elif self._note(path, status, now):
                changed.add(path)
        return changed

    def being_written(self, now: float) -> list[str]:
        """The files that changed in the last minute."""
        for path in [path for path, changed in self.recent.items() if now - changed > RECENT]:
            del self.recent[path]
        return list(self.recent)

    def _note(self, path: str, status: os.stat_result, now: float) -> bool:
        if stat.S_ISDIR(status.st_mode):
            mark = (0, 0, status.st_ino)
        else:
            mark = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._marks.get(path)
        if known == mark:
            return False
        if known and mark[0] > known[0] and path not in self.links:
            self.grown.add(path)
        self._marks[path] = mark
        if known or time.time() - status.st_mtime < RECENT:
            self.recent[path] = now
        return True

    def _forget(self, path: str) -> None:
        del self._marks[path]
        self.links.discard(path)
        self.recent.pop(path, None)

    def _walk(self, top: str, known: dict[str, int] | None = None) -> Iterator[tuple[str, os.stat_result]]:
        """Files and links below `top`; of `known` directories only `top` itself is listed."""
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            try:
                status = os.stat(directory)
                if stat.S_ISREG(status.st_mode):  # the root is a file
                    yield directory, status
                    continue
                self._directories[directory] = status.st_mtime_ns
                with os.scandir(directory) as entries:
                    listed = list(entries)
                    listed.reverse()
            except OSError:
                self._directories.pop(directory, None)
                continue
            while listed:  # each is dropped when it was asked: it keeps what stat said, half a kilobyte
                entry = listed.pop()
                try:
                    if entry.is_dir(follow_symlinks=False):
                        if known is None or entry.path not in known:
                            waiting.append(entry.path)
                        continue
                    status = entry.stat()
                    if entry.is_symlink():
                        self.links.add(entry.path)
                except OSError:
                    continue
                if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                    yield entry.path, status
