"""Collects the lines of a run by file and time, in the stamps and colours that loggers write. All clocks are UTC."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_COLOURS = {"INFO": "\x1b[1m", "SUCCESS": "\x1b[32m\x1b[1m", "WARNING": "\x1b[33m\x1b[1m"}


class Files:
    """What a run writes. Times are Unix seconds; of lines with one time the one given first comes first."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[float, bytes]]] = {}
        self._whole: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._times: dict[str, list[float]] = {}
        self._untimed: set[str] = set()

    def line(self, file: str, time: float, text: str) -> None:
        """A line of a log, or several that are written at once."""
        self._lines.setdefault(file, []).append((time, text.encode() + b"\n"))

    def record(self, file: str, time: float, record: dict[str, Any], *, compact: bool = True) -> None:
        """A line of JSON."""
        separators = (",", ":") if compact else (", ", ": ")
        self.line(file, time, json.dumps(record, ensure_ascii=False, separators=separators))

    def whole(self, file: str, text: str, time: float | None = None) -> None:
        """A file that is there from the start, or written at once."""
        self._whole[file] = text
        if time is not None:
            self._times[file] = [round(time, 3)]

    def untimed(self, file: str) -> None:
        """A log whose lines say nothing of when they were written; kept in times.json, for the demo."""
        self._untimed.add(file)

    def link(self, file: str, target: str) -> None:
        """A symbolic link; kept as data in links.json, since packages cannot hold links."""
        self._links[file] = target

    def write(self, root: Path) -> None:
        """Replace what is in `root`."""
        shutil.rmtree(root, ignore_errors=True)
        contents = {file: text.encode() for file, text in self._whole.items()}
        for file, lines in self._lines.items():
            in_order = sorted(lines, key=lambda item: item[0])
            contents[file] = b"".join(line for _, line in in_order)
            if file in self._untimed:
                self._times[file] = [round(time, 3) for time, line in in_order for _ in range(line.count(b"\n"))]
        if self._links:
            contents["links.json"] = (json.dumps(self._links, indent=1) + "\n").encode()
        if self._times:
            contents["times.json"] = (json.dumps(self._times, separators=(",", ":")) + "\n").encode()
        for file, content in contents.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def stamp(time: float, form: str) -> str:
    """`time` in UTC; `%f` of `form` is cut to milliseconds."""
    moment = datetime.fromtimestamp(time, timezone.utc)
    return moment.strftime(form.replace("%f", f"{moment.microsecond // 1000:03d}"))


def loguru(time: float, level: str, message: str) -> str:
    """A line of prime-rl's logger: loguru, coloured also in files."""
    colour = _COLOURS[level]
    return f"\x1b[2m{stamp(time, '%H:%M:%S')}\x1b[0m {colour}{level: >7}\x1b[0m {colour}\x1b[22m{message}\x1b[0m\x1b[0m"


def short(seconds: float) -> str:
    """A duration as prime-rl prints it since 2026-06, for those under an hour."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 60 else f"{int(seconds // 60)}m {int(seconds % 60)}s"
