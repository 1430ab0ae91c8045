"""What a file's first and last bytes tell: text or not, which known literals, which keys its first record has."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice

import msgspec
from msgspec import Struct

from rli_agent.events import METRIC_FILES, Reader
from rli_agent.parsers import api_events
from rli_agent.parsers.literal_search import LiteralSearch
from rli_agent.parsers.literals import searched
from rli_agent.parsers.metric_files import history, leveldb_log, tfrecords
from rli_agent.parsers.rollouts import tables

#: Bytes read at either end of a file.
ENDS = 65_536
#: Bytes read of files beyond the most recent ones.
GLANCE = 4_096

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_HOLE = re.compile(rb"\x00+")
#: Runs of NULs that a text file may show; a binary one has many.
MOST_HOLES = 3
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1b\x08\x07"))
#: Stands in the reason why a file is not read that could be.
NEEDS = "pip install"
#: Why a file is skipped that its owner keeps from us, or a disk from everybody: the beginning of the sentence.
UNREADABLE = "cannot be read"

#: A line that no two programs print alike: it holds a time, a process or a measured figure.
_MARK = re.compile(rb"\d\d:\d\d:\d\d|pid=\d|\d\.\d{4}")
SHORTEST_MARK = 30
#: So many of a text's lines are its marks, at the most; so many tell that two texts are one.
MOST_MARKS, FEWEST_MARKS = 40, 8

_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{1,60}")
_KEY = re.compile(rb'"([^"\\\x00-\x1f]{1,100})"\s*:')
_MAGIC = (
    (b"\x7fELF", "an executable or a core dump"), (b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"), (b"\xfd7zXZ", "xz data"), (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"), (b"GIF8", "an image"), (b"%PDF", "a PDF"), (b"SQLite format 3\x00", "a data base"),
    (b"\x93NUMPY", "an array"), (b"\x80\x02", "a pickle"), (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"), (b"\x80\x05", "a pickle"), (b"\x89HDF", "HDF5 data"),
)  # fmt: skip


class Look(Struct, frozen=True):
    """What was seen of a file when it had `size` bytes.

    refused: why it is not read. hits: literals that stand in it. keys: of the first JSON record (None: none was seen);
    whole: that record was seen to its end. step: up to which a `trainer_state.json` goes. marks: what tells the first
    lines of a text from those of another.
    """

    size: int
    inode: int
    refused: str | None = None
    hits: frozenset[str] = frozenset()
    keys: frozenset[str] | None = None
    whole: bool = True
    step: int = 0
    marks: tuple[int, ...] = ()


class Looker:
    """Looks for a set of literals. Colour codes are taken out before; a literal is searched as its UTF-8 bytes."""

    def __init__(self, literals: Iterable[str]) -> None:
        self._literals = sorted(set(literals))
        self._keys: dict[frozenset[str] | None, frozenset[str] | None] = {}
        self._search = LiteralSearch([searched(text).encode() for text in self._literals])

    def look(self, path: str, reader: Reader, thorough: bool) -> Look:
        """Read at most ENDS bytes at either end (GLANCE at the start, where not thorough). Raises OSError.

        reader: what the file is by its name.
        """
        if reader in METRIC_FILES:
            head, _, size, inode = _ends(path, GLANCE, False)
            step = history.last_step(head) if reader == "history" else 0
            return Look(size, inode, None if size == 0 else _no_metrics(head, reader), step=step)
        if reader == "table":
            return _look_at_table(*_ends(path, ENDS, True))
        head, tail, size, inode = _ends(path, ENDS if thorough else GLANCE, thorough)
        refused = None if size == 0 else _refusal(head, tail)
        if refused or size == 0:
            return Look(size, inode, refused)
        if reader == "records":
            keys, whole = _first_record(head.lstrip(b"\x00"), len(head) == size)
            refused = "holds no JSON objects" if keys is None and whole else None
            return Look(size, inode, refused, frozenset(), self._same(keys), whole)
        return Look(size, inode, None, self._hits(head) | self._hits(tail), marks=_marks(head))

    def _same(self, keys: frozenset[str] | None) -> frozenset[str] | None:
        """One set for all files that have the same keys: there may be very many."""
        if len(self._keys) > 1000:
            self._keys.clear()
        return self._keys.setdefault(keys, keys)

    def _hits(self, data: bytes) -> frozenset[str]:
        return frozenset(self._literals[i] for i in self._search.held(_ANSI.sub(b"", data)))


def _ends(path: str, length: int, both: bool) -> tuple[bytes, bytes, int, int]:
    # Non-blocking and without following a link: what was a file when it was listed may be a pipe by now.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(22, "is no longer a file", path)
        head = os.pread(fd, length, 0)
        tail = b""
        if both and found.st_size > len(head):
            tail = os.pread(fd, length, max(len(head), found.st_size - length))
        return head, tail, found.st_size, found.st_ino
    finally:
        os.close(fd)


def _marks(head: bytes) -> tuple[int, ...]:
    lines = (line for line in head.split(b"\n")[:-1] if len(line) >= SHORTEST_MARK and _MARK.search(line))
    return tuple(hash(line) for line in islice(lines, MOST_MARKS))


def _refusal(head: bytes, tail: bytes) -> str | None:
    """Why these are not the ends of a text file.

    A hole is no sign: a file that was truncated under a writer without O_APPEND begins with one, and a few may follow.
    """
    sample = head.lstrip(b"\x00")[:GLANCE] or tail.lstrip(b"\x00")[:GLANCE]
    if not sample:
        return "holds nothing but NUL bytes"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text; logs are read as UTF-8"
    for magic, what in _MAGIC:
        if sample.startswith(magic):
            return f"binary: {what}"
    if len(_HOLE.findall(sample)) > MOST_HOLES:
        return "binary: NUL bytes among its first"
    sample = sample.replace(b"\x00", b"")
    odd = len(sample) - len(sample.translate(None, _CONTROL))
    return "binary: control characters" if odd * 20 > len(sample) else None


def _look_at_table(head: bytes, tail: bytes, size: int, inode: int) -> Look:
    """The names of a table's columns stand in its end, with other words."""
    refused = None
    if size and not head.startswith(tables.MAGIC):
        refused = "does not begin as a table of parquet does"
    elif size and find_spec("pyarrow") is None:
        refused = f"a table of parquet, which pyarrow reads: {NEEDS} 'rli-agent[parquet]'"
    words = frozenset(word.decode() for word in _WORD.findall(head + tail))
    return Look(size, inode, refused, frozenset(), words, False)


def _no_metrics(head: bytes, reader: Reader) -> str | None:
    """Why this is not the beginning of the file of metrics that its name promises."""
    if reader == "tensorboard":
        return None if tfrecords.is_tfrecord(head) else "does not begin as TensorBoard's event files do"
    if reader == "wandb":
        return None if head.startswith(leveldb_log.MAGIC) else "does not begin as W&B's files do"
    if reader == "events" and not api_events.is_events(head):
        return "does not begin as what rli_agent.api writes"
    return None if head.lstrip().startswith(b"{") else "holds no JSON object"


def _first_record(head: bytes, all_of_it: bool) -> tuple[frozenset[str] | None, bool]:
    """Keys of the first whole JSON object among the first lines; of a longer one, the keys that its beginning shows."""
    lines = head.split(b"\n", 8)
    ended = lines[:-1] if len(lines) < 9 else lines[:8]
    for line in ended:
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            return frozenset(record), True
    last = lines[-1].lstrip()
    if len(ended) < 8 and last.startswith(b"{"):
        return frozenset(k.decode(errors="replace") for k in _KEY.findall(last)), False
    return None, bool(ended) and any(line.strip() for line in ended) and (all_of_it or len(ended) == 8)
