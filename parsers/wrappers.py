"""What other programs put around a line: colours, rank and Ray prefixes, container wrappers, progress bars."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct


class Origin(Struct, frozen=True):
    """Who wrote a line, as its wrappers say. Two lines of one writer have equal `who`; "" is nobody."""

    who: str = ""
    actor: str | None = None
    pid: str | None = None
    ip: str | None = None
    rank: str | None = None


class Unwrapped(NamedTuple):
    """A line's own text, its writer, how often Ray says it was repeated, and the time that a container wrapper gave."""

    text: bytes
    origin: Origin
    repeated: int
    stamp: bytes | None


_NOBODY = Origin()
_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_RAY = re.compile(
    rb"[(\[](?:(?P<actor>[^()\[\]]*?) ?pid=(?P<pid>[\w.-]+)(?:, ip=(?P<ip>[^)\]]+))?|(?P<plain>raylet|autoscaler[^)]*))[)\]] ?"
)
_RANK = re.compile(rb"\[(?P<role>[a-z]\w*?)(?P<rank>\d+)\]:(?: (?! ))?")
_RANK_SPACES = re.compile(rb"\[(?P<role>[a-z]\w*?)(?P<rank>\d+)\]:(?P<space> ?)")
_NUMBERED = re.compile(rb"\[\d+\] (?=\S)")
_SRUN = re.compile(rb" *(?P<rank>\d+): ?")
_CRI = re.compile(rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) [FP] ")
_KUBECTL = re.compile(rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6,9}Z) ")
_POD = re.compile(rb"\[pod/(?P<pod>[^\]]+)\] ")
_REPEATED = re.compile(rb" *\[repeated (?P<count>\d+)x across (?:all nodes|cluster)\](?: \([^)]*\))?\s*$")
_BAR = re.compile(rb"[^\r\n]*?\d{1,3}%\|[^|]*\| *[\d.,]+[kMG]?/[\d.,?]+[kMG]? \[[^\]]*\]")
_TAIL = re.compile(rb"\((?:[A-Za-z_]\w*) pid=\d+(?:, ip=[^)]+)?\) (?=[^\r\n]*\d{1,3}%\|)")
_DOCKER_KEYS = ({"log", "stream", "time"}, {"log", "stream", "time", "attrs"})
#: Texts of one line that are looked at.
MAX_SEGMENTS = 64


def strip_ansi(text: bytes) -> bytes:
    """The text without control sequences (CSI, OSC 8 links, two-byte escapes)."""
    return _ANSI.sub(b"", text) if b"\x1b" in text else text


def unwrap(line: bytes, srun_labels: bool = False) -> Unwrapped:
    """Take off all wrappers. `srun_labels`: the file has `3: ` before every line."""
    if b"\x1b" in line:
        line = _ANSI.sub(b"", line)
    if line[:1] == b"\0":
        line = line.lstrip(b"\0")
    if line[-1:] == b"\r":
        line = line[:-1]
    repeated = 1
    if line[-8:] == b"cluster]" or b"x across " in line[-200:]:
        found = _REPEATED.search(line)
        if found is not None:
            repeated, line = int(found["count"]), line[: found.start()]
    first = line[:1]
    if not srun_labels and first not in b"([{0123456789" or not first:
        return Unwrapped(line, _NOBODY, repeated, None)
    return _unwrap(line, srun_labels, repeated)


def _unwrap(line: bytes, srun_labels: bool, repeated: int) -> Unwrapped:
    who: list[bytes] = []
    stamp: bytes | None = None
    facts: dict[str, bytes | None] = {}
    if srun_labels and (found := _SRUN.match(line)) is not None:
        who.append(found["rank"])
        facts["rank"] = found["rank"]
        line = line[found.end() :]
    for _ in range(8):
        first = line[:1]
        found = None
        if first == b"(":
            found = _RAY.match(line)
        elif first == b"[":
            found = _RANK_SPACES.match(line)
            if found is not None:
                who.append(found["role"] + found["rank"])
                facts["rank"] = found["rank"]
                line = line[found.end() :]
                continue
            found = _POD.match(line)
            if found is not None:
                who.append(found["pod"])
                line = line[found.end() :]
                continue
            found = _RAY.match(line) if b"pid=" in line[:200] else _NUMBERED.match(line)
            if found is not None and found.re is _NUMBERED:
                line = line[found.end() :]
                continue
        elif first.isdigit():
            found = _CRI.match(line) or _KUBECTL.match(line)
            if found is None:
                break
            stamp = stamp or found["stamp"]
            line = line[found.end() :]
            continue
        elif first == b"{" and line[:8] == b'{"log":"' and (inner := _docker(line)) is not None:
            line, stamp = inner
            continue
        if found is None:
            break
        if found["plain"] is not None:
            who.append(found["plain"])
        else:
            who.append(found.group().strip()[1:-1])
            for key in ("actor", "pid", "ip"):
                facts[key] = found[key] or facts.get(key)
        line = line[found.end() :]
    return Unwrapped(line, _origin(b" ".join(who), tuple(facts.items())), repeated, stamp)


@lru_cache(maxsize=4096)
def _origin(who: bytes, facts: tuple[tuple[str, bytes | None], ...]) -> Origin:
    if not who:
        return _NOBODY
    said = {key: value.decode(errors="replace") for key, value in facts if value}
    return Origin(who.decode(errors="replace").replace(",", ""), **said)


def _docker(line: bytes) -> tuple[bytes, bytes | None] | None:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(record, dict) or set(record) not in _DOCKER_KEYS or not isinstance(record["log"], str):
        return None
    return record["log"].rstrip("\r\n").encode(), str(record["time"]).encode()


def segments(line: bytes) -> list[bytes]:
    """The texts on one physical line: what stands between carriage returns, bar refreshes but the last left out.

    Later texts inherit the wrapper of the first: it is put before them.
    """
    if b"\r" not in line:
        return [line]
    parts = [part for part in line.split(b"\r") if part]
    if not parts:
        return []
    prefix = _prefix(parts[0])
    if prefix and len(parts[0]) == len(prefix):
        parts.pop(0)
    elif prefix:
        parts[0] = parts[0][len(prefix) :]
    last = len(parts) - 1
    kept = [part for i, part in enumerate(parts) if i == last or b"%|" not in part or split_bar(part)[1]]
    return [prefix + part for part in kept[-MAX_SEGMENTS:]]


def _prefix(text: bytes) -> bytes:
    """The wrapper at the beginning of a text, colours included."""
    plain = unwrap(text).text
    if len(plain) == len(text) or (b"\x1b" not in text and text[:1] not in b"(["):
        return b""
    if not plain:
        return text
    at = text.find(plain[:1] if b"\x1b" in plain else plain)
    while at >= 0 and strip_ansi(text[at:]) != plain:
        at = text.find(plain[:1], at + 1)
    return text[:at] if at > 0 and strip_ansi(text[:at]) else b""


def split_bar(text: bytes) -> tuple[bytes | None, bytes]:
    """(bar, what is glued behind it); (None, text) where the text is no tqdm bar."""
    if b"%|" not in text:
        return None, text
    found = _BAR.match(text)
    if found is None:
        return None, text
    end = found.end()
    while (again := _BAR.match(text, end)) is not None and text.find(b"%|", end) >= 0:
        end = again.end()
    return text[:end], text[end:]


def split_tail(text: bytes) -> tuple[bytes, bytes | None]:
    """(text, a bar of another writer that is glued behind it)."""
    if b"%|" not in text:
        return text, None
    found = _TAIL.search(text, 1)
    return (text[: found.start()], text[found.start() :]) if found is not None else (text, None)
