"""Room on the disks that a run writes to: how much is left, how fast it goes, how large a checkpoint is."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

#: Names of a checkpoint's directory: verl and SkyRL `global_step_20`, OpenRLHF `global_step20`, Hugging Face
#: `checkpoint-20`, prime-rl and NeMo RL `step_20`, Megatron (slime) `iter_0000020`, AReaL `…globalstep20`.
_CHECKPOINT = re.compile(r"(?:step|checkpoint|iter)[_-]?\d+$")
#: A directory is looked through so far: levels, entries of all levels.
_DEPTH, _ENTRIES = 4, 20_000
#: Readings that are kept, a minute apart; what they span at least to tell how fast it goes, and how many make one end.
_KEPT, _SPAN, _END = 24 * 60, 1800.0, 5


class Room(NamedTuple):
    """A file system: its device number, bytes that are free to a user, and of all."""

    device: int
    free: int
    total: int


def room(path: Path) -> Room | None:
    """Of the file system on which a path lies, or will; None where nothing of it is there."""
    for place in (path, *path.parents):
        try:
            usage = shutil.disk_usage(place)
            return Room(place.stat().st_dev, usage.free, usage.total)
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def checkpoint_size(places: Iterable[Path]) -> int | None:
    """Bytes on disk of the newest checkpoint below these directories; None where none is found."""
    newest: tuple[float, Path] | None = None
    left = _ENTRIES
    for top in places:
        for folder, names, _ in os.walk(top):
            left -= len(names) + 1
            deep = len(Path(folder).relative_to(top).parts)
            for name in [name for name in names if _CHECKPOINT.search(name)]:
                names.remove(name)
                path = Path(folder, name)
                try:
                    found = (path.stat().st_mtime, path)
                except OSError:
                    continue
                newest = found if newest is None else max(newest, found)
            if deep >= _DEPTH or left < 0:
                names.clear()
    return _size(newest[1]) if newest is not None else None


def _size(folder: Path) -> int:
    whole, left = 0, _ENTRIES
    for place, _, names in os.walk(folder):
        for name in names:
            left -= 1
            try:
                found = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            whole += found.st_size if stat.S_ISREG(found.st_mode) else 0
        if left < 0:
            break
    return whole


class Use:
    """How a disk fills: readings of what is free, in time."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque(maxlen=_KEPT)

    def add(self, when: float, free: int) -> None:
        self._readings.append((when, free))

    def full_in(self) -> float | None:
        """Seconds until nothing is left, as fast as it went in both halves of the time: what came once, such as a data
        set that was copied, does not go on. None where it does not fill, or nobody can say."""
        readings = list(self._readings)
        if len(readings) < 4 * _END or readings[-1][0] - readings[0][0] < _SPAN:
            return None
        half = len(readings) // 2
        slowest = min(_rate(readings[:half]), _rate(readings[half:]))
        return readings[-1][1] / slowest if slowest > 0.0 else None


def _rate(readings: list[tuple[float, int]]) -> float:
    """Bytes that went in a second."""
    begin, end = readings[:_END], readings[-_END:]
    took = median(t for t, _ in end) - median(t for t, _ in begin)
    used = median(free for _, free in begin) - median(free for _, free in end)
    return used / took if took > 0.0 else 0.0
