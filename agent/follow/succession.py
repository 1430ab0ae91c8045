"""The files that one path names, one after the other: rotation, deletion, links that are pointed elsewhere.

Answers which file is to be read now, and keeps hold of those that the path has left until they are finished.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rli_agent.follow.cursor import Cursor
from rli_agent.follow.handles import Handle, Handles
from rli_agent.follow.rotation import TRIES, find_moved, named_since

#: Seconds that a file must be quiet after its path names another one before it counts as finished …
QUIET = 5.0
#: … and the longest that the next file waits for it.
PATIENCE = 60.0
#: From this offset on a new file that holds the same text up to there is the same log, copied into place (rsync,
#: `cp -a`, an editor) while the old one vanished. Shorter ones may just share a banner.
SAME_TEXT = 1024


class Followed:
    """A file that the path names, or did."""

    def __init__(self, device: int, inode: int, cursor: Cursor, size: int = 0) -> None:
        self.device = device
        self.inode = inode
        self.cursor = cursor
        self.size = size
        self.handle: Handle | None = None
        self.real = ""  # where it lay when it was opened last
        self.seen: tuple[int, int] | None = None  # size and change time when it was last read to its end
        self.left: float | None = None  # since when the path does not name it
        self.grew = 0.0
        self.over = False  # read to its end for ever
        self.skip_to: int | None = None  # lines that begin before this offset are not wanted

    def is_at(self, status: os.stat_result) -> bool:
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    @property
    def open_fd(self) -> int | None:
        return self.handle.fd if self.handle and self.handle.fd >= 0 else None

    @property
    def quiet_at(self) -> float:
        """When it counts as finished, if nothing more is written. Only for one that the path has left."""
        assert self.left is not None
        return min(max(self.left, self.grew) + QUIET, self.left + PATIENCE)


class Succession:
    """`files` begins with the one to read now; the path named the others after it. The last one is the newest."""

    def __init__(
        self, path: Path, handles: Handles, new_cursor: Callable[[], Cursor], first: Followed | None, fixed: bool
    ) -> None:
        self.files = [first] if first else []
        #: The path named another file than before, so that offsets and lines begin again.
        self.turned = False
        self.rotations = 0
        self.mtime = 0.0
        #: Size and change time of what the path names; None before it was seen.
        self.change: tuple[int, int] | None = None
        self._path = path
        self._handles = handles
        self._new_cursor = new_cursor
        self._fixed = fixed
        #: What the path named and was read to its end, the newest last.
        self.finished: deque[Followed] = deque(maxlen=16)

    def look(self, now: float) -> None:
        """Find out what the path names. Raises OSError where that cannot be known, or if it is no regular file."""
        try:
            status = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            status = None
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not self.files:
            if status is not None:
                self.files.append(self._followed(status))
        elif status is not None and self._still(self.files[-1], status):
            self.files[-1].left, self.files[-1].over = None, False
        else:
            self._turn(self.files[-1], status, now)
        for file in self.files:
            fd = file.open_fd
            if status is not None and file.is_at(status):
                size = status.st_size
            elif fd is not None:
                size = os.fstat(fd).st_size
            else:
                continue
            if size != file.size:
                file.size, file.grew = size, now
        if status is not None:
            self.mtime = status.st_mtime
            self.change = (status.st_size, status.st_mtime_ns)

    def open(self, file: Followed, now: float) -> Handle | None:
        """Its handle; None if it cannot be found any more. Raises OSError if the path's own file cannot be opened."""
        if file.open_fd is not None:
            return file.handle
        path: str | None = str(self._path)
        for _ in range(TRIES):
            if file.left is not None:
                path = find_moved(str(self._path), file.device, file.inode, file.real)
            if path is None:
                return None
            try:
                handle = self._handles.open(path, now)
            except FileNotFoundError:
                handle = None
            except OSError:
                if file.left is None:
                    raise
                return None
            if handle is not None and file.is_at(os.fstat(handle.fd)):
                file.handle = handle
                file.real = os.path.realpath(path)
                return handle
            if handle is not None:
                self._handles.close(handle)
            if file.left is None:
                return None
        return None  # it is renamed all the while

    def release(self, file: Followed) -> None:
        if file.handle:
            self._handles.close(file.handle)
            file.handle = None

    def advance(self) -> bool:
        """Go on from a file that is over to the next one, if there is one."""
        if len(self.files) == 1:
            return False
        self.finished.append(self.files.pop(0))
        self.turned = True
        return True

    def _followed(self, status: os.stat_result) -> Followed:
        return Followed(status.st_dev, status.st_ino, self._new_cursor(), status.st_size)

    def _still(self, file: Followed, status: os.stat_result) -> bool:
        if file.inode == status.st_ino and file.device != status.st_dev and not file.real:
            file.device = status.st_dev  # mounted again since the position was kept; the fingerprint decides
        return file.is_at(status)

    def _turn(self, newest: Followed, status: os.stat_result | None, now: float) -> None:
        """The path does not name `newest` any more."""
        if newest.left is None:
            newest.left = newest.grew = now
            self._hold(newest, now)
        if self._fixed:
            return
        if status is not None:
            for file in self.files[:-1]:
                if file.is_at(status):  # it is named again
                    self.files.remove(file)
                    self.files.append(file)
                    file.left, file.over, self.turned = None, False, True
                    return
        since = named_since(str(self._path), newest.device, newest.inode)
        for name, at in since or ():  # None: it is being rotated, and the next look will tell
            if any(file.is_at(at) for file in self.files):
                continue
            following = self._followed(at)
            if name != str(self._path):
                following.left, following.grew, following.real = now, now, name
            self._hold(following, now)
            if self._is_copy(newest, following):
                self.release(newest)
                following.cursor = newest.cursor
                self.files[-1] = following
            else:
                self.files.append(following)
                self.rotations += 1

    def _is_copy(self, old: Followed, new: Followed) -> bool:
        fd = old.open_fd
        if old.cursor.offset < SAME_TEXT or (fd is not None and os.fstat(fd).st_nlink > 0):
            return False
        if new.open_fd is None or not old.cursor.matches(new.open_fd):
            return False
        return find_moved(str(self._path), old.device, old.inode, old.real) is None

    def _hold(self, file: Followed, now: float) -> None:
        """Open it now, so that it can be read when its turn comes, wherever it is moved."""
        with suppress(OSError):
            if handle := self.open(file, now):
                handle.kept = True
